"""Checks of a cell over a sequence: its padding, its parts, the rows of its batch.

Letters: B batch, T time, I input size, H hidden size.
"""

from __future__ import annotations

import torch

from seqline_plugins.conformance.cells.stack import LENGTHS, check_equal, short_name
from seqline_plugins.conformance.subject import CLOSE, CellSubject, apart, inputs, learn, worst
from seqline_plugins.conformance.verdict import Checks, WrongError

CHECKS = Checks()


@CHECKS.add
def padding_never_leaks(cell: CellSubject) -> None:
    """What stands in the padding, and how much there is, changes nothing, in either direction."""
    for direction in ("forward", "backward"):
        stack, x = cell.stack(direction=direction), inputs(4, 5, 3)
        padding = torch.arange(5) >= torch.tensor(LENGTHS).unsqueeze(-1)
        wanted = learn(stack, x.masked_fill(padding.unsqueeze(-1), 0), LENGTHS)
        wider = torch.cat([x.masked_fill(padding.unsqueeze(-1), 7.0), x], dim=1)
        found = learn(stack, wider, LENGTHS)
        found |= {name: found[name][:, :5] for name in ("output", "gradient of x")}
        name, distance = worst(found, wanted)
        if distance > CLOSE:
            raise WrongError(
                f"{direction}: with other padding the {name} changes by {distance:.2g}: a step may "
                "read its own row, x_t and the state, nothing else."
            )


@CHECKS.add
def chunks_and_steps_equal_the_whole(cell: CellSubject) -> None:
    """The sequence at once, in two parts with the state carried, and step by step are one."""
    stack, x = cell.stack(num_layers=2), inputs(3, 5, 3)
    whole, last = stack(x)
    first, state = stack(x[:, :2])
    second, after = stack(x[:, 2:], None, state)
    check_equal("in two parts", torch.cat([first, second], 1), whole)
    state, outputs = stack.initial_state(3), []
    for t in range(5):
        output, state = stack.step(x[:, t], state)
        outputs.append(output)
    check_equal("step by step", torch.stack(outputs, 1), whole)
    for name, tensor in last.items():
        check_equal(f"state '{short_name(name)}' in two parts", after[name], tensor)
        check_equal(f"state '{short_name(name)}' step by step", state[name], tensor)


@CHECKS.add
def rows_of_a_batch_are_independent(cell: CellSubject) -> None:
    """A row gives the same alone, beside others, and in another place of the batch."""
    stack, x = cell.stack(), inputs(4, 4, 3)
    together, after = stack(x)
    for row in range(4):
        alone, state = stack(x[row : row + 1])
        named = {"output": together[row : row + 1]}
        named |= {f"state '{short_name(n)}'": t[row : row + 1] for n, t in after.items()}
        given = {"output": alone} | {f"state '{short_name(n)}'": t for n, t in state.items()}
        name, distance = worst(given, named)
        if distance > CLOSE:
            raise WrongError(
                f"the {name} of a row is {distance:.2g} apart alone and beside others: take no "
                "mean, sum, sort or norm over the batch (dimension 0), and keep no state that "
                "the rows share."
            )


@CHECKS.add
def nothing_is_kept_between_calls(cell: CellSubject) -> None:
    """The same input gives the same after another one was seen."""
    stack, x = cell.stack(), inputs(3, 4, 3)
    first, _ = stack(x)
    stack(inputs(3, 4, 3, seed=9) * 3)
    stack.step(inputs(3, 1, 3, seed=4)[:, 0], stack.initial_state(3))
    again, _ = stack(x)
    if apart(again, first) > 0:
        raise WrongError(
            f"after another input the same one gives outputs {apart(again, first):.2g} away: what "
            "goes from step to step belongs into `state`, never on self."
        )


@CHECKS.add
def chosen_rows_go_on_as_they_would_have(cell: CellSubject) -> None:
    """Rows of a state kept, copied and dropped, as a beam does, go on rightly."""
    stack, x = cell.stack(), inputs(3, 5, 3)
    whole, _ = stack(x)
    _, state = stack(x[:, :3])
    rows = torch.tensor([2, 0, 2, 1])
    kept = {name: tensor.index_select(0, rows) for name, tensor in state.items()}
    check_equal("rows that a search chose", stack(x[rows, 3:], None, kept)[0], whole[rows, 3:])
