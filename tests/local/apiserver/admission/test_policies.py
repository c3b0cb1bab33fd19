"""ValidatingAdmissionPolicies: what they see, what they refuse, that none stops the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.local.apiserver.auth.granting import GROUP, RBAC, rule

from tidegate.local.apiserver import User
from tidegate.testing.apiserver import CONFIG_MAPS, WIDGETS, config_map, widget

if TYPE_CHECKING:
    from tests.local.apiserver.admission.hook import Obj

    from tidegate.testing.apiserver import Asker

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
POLICIES = f"{ADMISSION}/validatingadmissionpolicies"
BINDINGS = f"{ADMISSION}/validatingadmissionpolicybindings"
ABOUT_CONFIG_MAPS = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["*"],
    "resources": ["configmaps"],
}


def policy(*validations: Obj, **spec: Any) -> Obj:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "p"},
        "spec": {
            "matchConstraints": {"resourceRules": [ABOUT_CONFIG_MAPS]},
            "validations": list(validations),
            **spec,
        },
    }


def binding(**spec: Any) -> Obj:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "b"},
        "spec": {"policyName": "p", "validationActions": ["Deny"], **spec},
    }


async def bound(ask: Asker, expression: str, /, **spec: Any) -> None:
    await ask.create(POLICIES, policy({"expression": expression}, **spec))
    await ask.create(BINDINGS, binding())


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("object.data.k == 'v'", True),
        ("object.data.k == 'w'", False),
        ("oldObject == null", True),
        ("request.operation == 'CREATE' && request.resource.resource == 'configmaps'", True),
        ("request.userInfo.username == 'admin'", True),
        ("'system:masters' in request.userInfo.groups", True),
        ("namespaceObject.metadata.name == 'default'", True),
        ("has(object.metadata.labels)", False),
        ("!has(object.metadata.labels) || object.metadata.labels['a'] == 'b'", True),
        ("size(object.data) < 2", True),
        ("object.metadata.?labels[?'a'].orValue('x') == 'x'", True),
        ("authorizer.group('').resource('pods').namespace('x').check('get').allowed()", True),
        ("authorizer.path('/metrics').check('get').allowed()", True),
        ("authorizer.requestResource.check('create').allowed()", True),
        ("authorizer.serviceAccount('a', 'b').path('/metrics').check('get').allowed()", False),
    ],
)
async def test_an_expression_sees_the_object_the_request_and_the_rights(
    ask: Asker, expression: str, holds: bool
) -> None:
    await bound(ask, expression)
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert answer.status == (201 if holds else 422), answer.body


async def test_a_policy_judges_each_user_by_their_own_rights(ask: Asker) -> None:
    ask.api.users["t"] = User("alice")
    role = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "r"},
        "rules": [rule("create", "configmaps")],
    }
    await ask.create(f"{RBAC}/clusterroles", role)
    subject = {"kind": "User", "name": "alice"}
    given = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "r"},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "r"},
        "subjects": [subject],
    }
    await ask.create(f"{RBAC}/clusterrolebindings", given)
    await bound(
        ask,
        "authorizer.group('tidegate.dev').resource('rollouts').namespace(request.namespace)"
        ".name('r').check('approve').allowed()",
    )
    assert (await ask("POST", CONFIG_MAPS, config_map("a"), token="t")).status == 422
    assert (await ask("POST", CONFIG_MAPS, config_map("a"))).status == 201
    approve = rule("approve", "rollouts", "tidegate.dev")
    await ask.patch(f"{RBAC}/clusterroles/r", {"rules": [*role["rules"], approve]})
    assert (await ask("POST", CONFIG_MAPS, config_map("b"), token="t")).status == 201


async def test_a_denial_says_which_policy_and_why(ask: Asker) -> None:
    validation = {
        "expression": "object.data.k == 'w'",
        "messageExpression": "'k is ' + object.data.k",
        "reason": "Forbidden",
    }
    await ask.create(POLICIES, policy(validation))
    await ask.create(BINDINGS, binding())
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert answer.status == 403
    why = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: k is v"
    assert answer.body["message"] == f'configmaps "a" is forbidden: {why}'
    assert answer.body["details"]["causes"] == [{"message": why}]


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ({"expression": "false"}, "failed expression: false"),
        ({"expression": "false", "message": "so"}, "so"),
        ({"expression": "false", "message": "so", "messageExpression": "object.nope"}, "so"),
        ({"expression": "false", "message": "so", "messageExpression": "'  '"}, "so"),
        (
            {"expression": "object.nope == 1"},
            "expression 'object.nope == 1' resulted in error: no such key: nope",
        ),
        ({"expression": "1 + 1"}, "expression '1 + 1' must evaluate to bool"),
    ],
)
async def test_the_message_falls_back_to_what_there_is(
    ask: Asker, validation: Obj, message: str
) -> None:
    await ask.create(POLICIES, policy(validation))
    await ask.create(BINDINGS, binding())
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert answer.body["message"].endswith(f"denied request: {message}")


async def test_a_policy_that_may_fail_lets_through_what_it_cannot_judge(ask: Asker) -> None:
    await bound(ask, "object.nope == 1", failurePolicy="Ignore")
    assert (await ask("POST", CONFIG_MAPS, config_map("a"))).status == 201


async def test_a_binding_may_only_warn(ask: Asker) -> None:
    await ask.create(POLICIES, policy({"expression": "false", "message": "so"}))
    await ask.create(BINDINGS, binding(validationActions=["Warn", "Audit"]))
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert answer.status == 201
    assert answer.headers["warning"] == (
        "299 - \"Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': so\""
    )


async def test_variables_are_shared_and_made_of_each_other(ask: Asker) -> None:
    variables = [
        {"name": "k", "expression": "object.data.k"},
        {"name": "twice", "expression": "variables.k + variables.k"},
        {"name": "unused", "expression": "object.nope"},
    ]
    await bound(ask, "variables.twice == 'vv' && variables.k == 'v'", variables=variables)
    assert (await ask("POST", CONFIG_MAPS, config_map("a"))).status == 201


async def test_conditions_say_what_a_policy_is_about(ask: Asker) -> None:
    conditions = [{"name": "c", "expression": "object.metadata.name.startsWith('x')"}]
    await bound(ask, "false", matchConditions=conditions)
    assert (await ask("POST", CONFIG_MAPS, config_map("a"))).status == 201
    assert (await ask("POST", CONFIG_MAPS, config_map("x"))).status == 422


async def test_a_binding_narrows_what_its_policy_is_about(ask: Asker) -> None:
    await ask.create(POLICIES, policy({"expression": "false"}))
    selector = {"matchLabels": {"strict": "yes"}}
    await ask.create(BINDINGS, binding(matchResources={"namespaceSelector": selector}))
    assert (await ask("POST", CONFIG_MAPS, config_map("a"))).status == 201
    await ask.patch("/api/v1/namespaces/default", {"metadata": {"labels": {"strict": "yes"}}})
    assert (await ask("POST", CONFIG_MAPS, config_map("b"))).status == 422


PARAM_KIND = {"apiVersion": "v1", "kind": "ConfigMap"}


@pytest.mark.parametrize(
    ("reference", "status"),
    [
        ({"name": "limits", "parameterNotFoundAction": "Deny"}, 422),
        ({"name": "nope", "parameterNotFoundAction": "Allow"}, 201),
        ({"name": "nope", "parameterNotFoundAction": "Deny"}, 422),
        ({"selector": {"matchLabels": {"l": "1"}}, "parameterNotFoundAction": "Deny"}, 422),
        ({"selector": {"matchLabels": {"l": "2"}}, "parameterNotFoundAction": "Allow"}, 201),
        ({"name": "limits", "namespace": "kube-system", "parameterNotFoundAction": "Allow"}, 201),
    ],
)
async def test_a_binding_hands_its_parameters_to_the_policy(
    ask: Asker, reference: Obj, status: int
) -> None:
    await ask.create(CONFIG_MAPS, config_map("limits", labels={"l": "1"}))
    validation = {"expression": "object.data.k != params.data.k"}
    await ask.create(POLICIES, policy(validation, paramKind=PARAM_KIND))
    await ask.create(BINDINGS, binding(paramRef=reference))
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert answer.status == status, answer.body


async def test_a_policy_that_was_deleted_says_nothing_more(ask: Asker) -> None:
    await bound(ask, "false")
    assert (await ask("POST", CONFIG_MAPS, config_map("a"))).status == 422
    assert (await ask("DELETE", f"{POLICIES}/p")).status == 200
    assert (await ask("POST", CONFIG_MAPS, config_map("a"))).status == 201


@pytest.mark.parametrize(
    "expression",
    [
        "object.data.all(a, object.data.all(b, object.data.all(c, a != b || b != c || a == c)))",
        "object.data.map(a, object.data.map(b, b)).flatten().all(a, object.data.all(b, a != b))",
    ],
)
async def test_an_expression_that_would_run_for_too_long_is_not_run(
    ask: Asker, expression: str
) -> None:
    await bound(ask, expression)
    data = {f"k{n}": "v" for n in range(3000)}
    answer = await ask("POST", CONFIG_MAPS, {**config_map("a"), "data": data})
    assert answer.status == 422
    assert "cost limit exceeded" in answer.body["message"]


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"validations": [{"expression": "object."}]}, "compilation failed: ERROR: <input>:1"),
        ({"validations": [{"expression": "nope > 1"}]}, "undeclared reference to 'nope'"),
        ({"validations": [{"expression": "nope(object)"}]}, "undeclared reference to 'nope'"),
        ({"validations": [{"expression": "params.x"}]}, "undeclared reference to 'params'"),
        ({"validations": [{"expression": "variables.x"}]}, "undefined field 'x'"),
        ({"validations": []}, "spec.validations: Required value"),
        (
            {"variables": [{"name": "a", "expression": "variables.a"}]},
            "spec.variables[0].expression: Invalid value",
        ),
        ({"failurePolicy": "Perhaps"}, 'supported values: "Fail", "Ignore"'),
        ({"matchConstraints": {}}, "spec.matchConstraints.resourceRules: Required value"),
    ],
)
async def test_a_policy_that_could_never_work_is_refused(
    ask: Asker, spec: dict[str, Any], part: str
) -> None:
    obj = policy({"expression": "true"})
    obj["spec"].update(spec)
    answer = await ask("POST", POLICIES, obj)
    assert answer.status == 422
    assert part in answer.body["message"]


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ({"validationActions": []}, "spec.validationActions: Required value"),
        ({"validationActions": ["Deny", "Warn"]}, "must not contain both Deny and Warn"),
        ({"validationActions": ["Shout"]}, "Unsupported value"),
        ({"policyName": ""}, "spec.policyName: Required value"),
        ({"paramRef": {"name": "a"}}, "spec.paramRef.parameterNotFoundAction: Required value"),
        (
            {"paramRef": {"name": "a", "selector": {}, "parameterNotFoundAction": "Deny"}},
            "mutually exclusive",
        ),
    ],
)
async def test_a_binding_that_makes_no_sense_is_refused(
    ask: Asker, spec: dict[str, Any], part: str
) -> None:
    answer = await ask("POST", BINDINGS, binding(**spec))
    assert answer.status == 422
    assert part in answer.body["message"]


async def test_a_field_that_the_schema_does_not_have_is_a_warning_in_the_status(
    ask: Asker,
) -> None:
    await ask.create(POLICIES, policy({"expression": "object.dota.k == 'v'"}))
    status = (await ask.get(f"{POLICIES}/p"))["status"]
    assert status["observedGeneration"] == 1
    (warning,) = status["typeChecking"]["expressionWarnings"]
    assert warning["fieldRef"] == "spec.validations[0].expression"
    assert warning["warning"].startswith("v1, Kind=ConfigMap: ERROR: <input>:1:7: undefined field")
    await ask.create(CONFIG_MAPS, config_map("a"))


async def test_a_policy_without_faults_has_no_warnings(ask: Asker) -> None:
    await ask.create(POLICIES, policy({"expression": "object.data.k == 'v'"}))
    status = (await ask.get(f"{POLICIES}/p"))["status"]
    assert status == {"observedGeneration": 1, "typeChecking": {}}


async def test_what_every_object_has_is_no_unknown_field_of_a_custom_one(widgets: Asker) -> None:
    rules = [
        {
            "apiGroups": ["example.com"],
            "apiVersions": ["v1"],
            "operations": ["CREATE"],
            "resources": ["widgets"],
        }
    ]
    expression = (
        "object.metadata.name != 'x' && object.spec.size > 0 && "
        "!has(object.metadata.ownerReferences) && object.kind == 'Widget'"
    )
    await widgets.create(
        POLICIES, policy({"expression": expression}, matchConstraints={"resourceRules": rules})
    )
    await widgets.create(BINDINGS, binding())
    assert (await widgets.get(f"{POLICIES}/p"))["status"]["typeChecking"] == {}
    await widgets.create(WIDGETS, widget("a"))
    refused = await widgets("POST", WIDGETS, widget("x"))
    assert refused.status == 422
