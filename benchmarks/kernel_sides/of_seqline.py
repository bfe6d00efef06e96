"""seqline's own layers, by the generated kernel."""

import torch
from torch_call import Inputs, count_parameters, make_call

from seqline_plugins.recurrence import RecurrentStack

FUNCTION = "_RecurrenceBackward"
"""The generated code's name in torch's graph."""
DEPTH = 4
"""How far from the output it is looked for: a cast may follow it."""


def prepare(threads):
    torch.set_num_threads(threads)
    return {"torch": torch.__version__, "threads": torch.get_num_threads()}


def forget():
    """Nothing is kept but by the calls themselves."""


def build(side):
    _, _, I, H = side["shape"]
    inputs = Inputs(side)
    stack = RecurrentStack({"name": side["cell"]}, I, H, kernel="generated")
    for (layer,) in stack.layers:
        layer.keep_at_most(side["budget"])

    def run():
        return stack(inputs.x, inputs.lengths)[0]

    about = {"parameters": count_parameters(stack), "kernel": kernel_of(stack, inputs)}
    return make_call(stack, run, inputs, side["trains"]), about


def kernel_of(stack, inputs):
    """Return what really serves such a call, read from the graph of a short one."""
    x = inputs.x[:2, :3].detach().requires_grad_()
    with inputs.autocast():
        output = stack(x)[0]
    nodes = [output.grad_fn]
    for _ in range(DEPTH):
        if any(node.name() == FUNCTION for node in nodes):
            return "generated"
        nodes = [after for node in nodes for after, _ in node.next_functions if after is not None]
    said = stack.served - {"generated"}  # autocast gives way without a word
    return f"served by {'the ' + said.pop() if said else 'another'} kernel"
