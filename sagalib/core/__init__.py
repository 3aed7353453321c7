"""The pure core: sagas as values, and the machine that interprets them.

It imports the standard library's pure parts, ``attrs``, ``returns`` and ``typing_extensions``; no
clock, no dice, no threads, no input or output. Read it in this order, in one sitting::

    errors        what raises: misuse and corrupt logs, never a failed step
    paths         names of steps and of runs as text
    outcomes      Ok | Compensated | Fatal, and the reasons
    policy        retries and timeouts as values
    events        what happened, as facts
    messages      a Command out, a Reply in: all that crosses the boundary
    instructions  the letters of a saga's word
    naming        where a call stands in its saga: names, never positions
    course        what is asked as long as all goes well
    saga          the saga: a word of instructions, composed by concatenation
    functions     functions as values: catching, star, last
    steps         steps: one action with its compensation
    stages        steps over a growing context
    choice        one saga or another, by the value
    parallel      sagas side by side
    state         what a run is between two replies
    strands       many strands as an immutable mapping
    forward       the way forward: the word, followed to the next call
    scopes        what follows when a scope has failed
    strand        what follows a reply, in one strand: the table of transitions
    machine       the interpreter: where strands begin and end
    owed          what is left of a run at its end
    history       the log as a fold of the replies
    walk          the way back, as long as all goes well
    replay        a stored log, interpreted again
    lints         advice about sagas
    ways          the ways through a saga, walked with the machine
    plan          what a saga would do, made of them
    status        where a run stands, as a fold of the log

The picture::

    saga, value -> begin -> Machine -- asks --> driver -- performs --> reply
                               ^                                        |
                               +--------------- evolve <----------------+

1. Everything that decides what happens next lives in ``forward``, ``scopes``, ``strand`` and
   ``machine``. Where they have nothing to decide, ``course`` and ``walk`` say so ahead of them;
   laws hold both to what is asked.
2. A live run, a replay, a resume and a simulation go through the same ``evolve``.
3. The log is derived from what was asked and what was answered; nothing writes it apart.
"""
