"""An operator with a timer and a daemon, which end with what they watch."""

import kopf


@kopf.timer("example.com", "v1", "greetings", interval=0.3, initial_delay=0.1)
def tick(status, patch, **_):
    patch.status["ticks"] = status.get("ticks", 0) + 1


@kopf.daemon("example.com", "v1", "greetings", cancellation_timeout=1.0)
async def stand_guard(stopped, name, **_):
    print(f"guard of {name} begins", flush=True)  # noqa: T201
    try:
        await stopped.wait()
    finally:
        print(f"guard of {name} ends", flush=True)  # noqa: T201
