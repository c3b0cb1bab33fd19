"""An operator as kopf's tutorial writes them: it owns a child, follows changes, cleans up."""

import kopf
from kubernetes import client, config

config.load_kube_config()
GROUP, VERSION, PLURAL = "example.com", "v1", "greetings"


@kopf.on.create(GROUP, VERSION, PLURAL)
def greet(spec, name, namespace, body, logger, **_):
    child = {"metadata": {"name": f"{name}-text"}, "data": {"text": f"hello {spec['who']}"}}
    kopf.adopt(child)
    client.CoreV1Api().create_namespaced_config_map(namespace, child)
    logger.info("greeted")
    kopf.info(body, reason="Greeted", message=f"said hello to {spec['who']}")
    return {"greeted": spec["who"]}


@kopf.on.field(GROUP, VERSION, PLURAL, field="spec.who")
async def renamed(old, new, name, namespace, **_):
    if old is not None:
        patch = {"data": {"text": f"hello {new}, once {old}"}}
        client.CoreV1Api().patch_namespaced_config_map(f"{name}-text", namespace, patch)


@kopf.on.update(GROUP, VERSION, PLURAL, retries=3)
def updated(spec, retry, patch, **_):
    if spec.get("shy") and retry == 0:
        raise kopf.TemporaryError("too shy at first", delay=0.1)
    patch.status["tries"] = retry + 1


@kopf.on.delete(GROUP, VERSION, PLURAL)
def farewell(name, namespace, **_):
    body = {"metadata": {"name": f"{name}-gone"}}
    client.CoreV1Api().create_namespaced_config_map(namespace, body)
