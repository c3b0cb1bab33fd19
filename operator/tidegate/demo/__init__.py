"""The demo: real flights, four versions of a model, and what Tidegate does with them.

It is a user like any other: it starts the embedded cluster with `tidegate local up`, applies
`examples/` with kubectl, sends traffic through the gateway and reads status. It must not reach
into the operator.

    train.py    trains the versions (runs in the environment `train`)
    trained.py  what was trained, kept by content
    load.py     replays later flights at a fixed rate (a process of its own)
    answers.py  counts answers by who gave them
    traffic.py  the load client as a process
    render.py   the examples with this machine's places in them
    scene.py    what is known at a moment
    commands.py kubectl and `tidegate local`
    watch.py    follows the Model, its Rollout and the answers
    view.py     shows them while they happen
    story.py    what has to happen, and the table at the end
    run.py      the order of it all
"""
