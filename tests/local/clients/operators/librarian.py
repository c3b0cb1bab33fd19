"""An operator with an index of one kind, asked by the handlers of another."""

import kopf


@kopf.index("configmaps", labels={"book": kopf.PRESENT})
def books(labels, name, **_):
    return {labels["book"]: name}


@kopf.on.event("example.com", "v1", "greetings")
def look_up(event, spec, patch, books: kopf.Index, **_):
    found = sorted(books.get(spec.get("who", ""), []))
    if event["type"] != "DELETED":
        patch.status["books"] = found


@kopf.on.create("example.com", "v1", "greetings")
def created(patch, **_):
    patch.status["created"] = True


@kopf.on.resume("example.com", "v1", "greetings")
def resumed(patch, **_):
    patch.status["resumed"] = True
