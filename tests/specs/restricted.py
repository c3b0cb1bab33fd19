"""What the restricted Pod Security Standard (Kubernetes 1.34) forbids of a pod.

The rules are those of pod-security.kubernetes.io, one function a group; a pod that breaks none is
admitted to a namespace with `pod-security.kubernetes.io/enforce: restricted`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

type Object = dict[str, Any]

VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
     "projected", "secret"}
)  # fmt: skip
SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
SYSCTLS = frozenset(
    {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies",
     "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range",
     "net.ipv4.ip_local_reserved_ports",
     "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
     "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
)  # fmt: skip
PROFILES = ("RuntimeDefault", "Localhost")


def containers_of(template: Object) -> list[Object]:
    """Every container, those that run before the others too."""
    spec = template["spec"]
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [container for kind in kinds for container in spec.get(kind, ())]


def violations(template: Object) -> list[str]:
    """What the restricted profile forbids of a pod template; empty for one that it admits."""
    pod = template["spec"].get("securityContext", {})
    found = [*_of_the_pod(template["spec"], pod)]
    if any("apparmor" in name for name in template.get("metadata", {}).get("annotations", {})):
        found.append("AppArmor by annotation")
    for container in containers_of(template):
        context = container.get("securityContext", {})
        found += [f"{container['name']}: {each}" for each in _of_a_context(context)]
        found += [f"{container['name']}: {each}" for each in _of_a_container(container)]
        found += [f"{container['name']}: {each}" for each in _of_both(pod, context)]
    return found


def _of_the_pod(spec: Object, context: Object) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield field
    for volume in spec.get("volumes", ()):
        if not set(volume) & VOLUMES:
            yield f"volume {volume['name']} of a kind that is not allowed"
    for sysctl in context.get("sysctls", ()):
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']}"
    yield from (f"pod: {each}" for each in _of_a_context(context))


def _of_a_context(context: Object) -> Iterator[str]:
    """What may stand neither in a pod's securityContext nor in a container's."""
    if context.get("runAsNonRoot") is False:
        yield "runAsNonRoot: false"
    if context.get("runAsUser") == 0:
        yield "runAsUser: 0"
    if context.get("seccompProfile", {"type": PROFILES[0]}).get("type") not in PROFILES:
        yield "seccompProfile"
    if context.get("appArmorProfile", {"type": PROFILES[0]}).get("type") not in PROFILES:
        yield "appArmorProfile"
    selinux = context.get("seLinuxOptions", {})
    if selinux.get("type", "") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield "seLinuxOptions"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "hostProcess"


def _of_a_container(container: Object) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if context.get("privileged"):
        yield "privileged"
    if context.get("procMount", "Default") != "Default":
        yield "procMount"
    capabilities = context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()):
        yield "capabilities are not dropped"
    if set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield "capabilities are added"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield "hostPort"
    probes = (container.get(f"{kind}Probe", {}) for kind in ("startup", "readiness", "liveness"))
    for handler in (*probes, *container.get("lifecycle", {}).values()):
        if any(handler.get(how, {}).get("host") for how in ("httpGet", "tcpSocket")):
            yield "host of a probe or handler"


def _of_both(pod: Object, context: Object) -> Iterator[str]:
    """What must stand in the container's securityContext, or else in the pod's."""
    if not context.get("runAsNonRoot", pod.get("runAsNonRoot")):
        yield "runAsNonRoot is not true"
    if "seccompProfile" not in {**pod, **context}:
        yield "no seccompProfile"
