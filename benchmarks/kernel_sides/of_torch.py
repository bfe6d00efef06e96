"""torch's own layers, and cells as a user writes them: a loop in Python, scripted, or compiled.

Letters: B batch, T time, I input size, H hidden size.
"""

import torch
from torch import Tensor, nn
from torch_call import Inputs, count_parameters, make_call

LAYERS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
PRODUCT, PRODUCTS = 1024, 50


def prepare(threads):
    torch.set_num_threads(threads)
    return {"torch": torch.__version__, "threads": torch.get_num_threads()}


def forget():
    torch._dynamo.reset()  # else it gives up after the code of a few sizes


class Loop(nn.Module):
    """A loop over time; the products with x are made before it, all steps at once."""

    def __init__(self, I: int, H: int, gates: int, bias: bool = True):
        super().__init__()
        self.H = H
        self.W_F = nn.Linear(I, gates * H, bias=bias)

    def feed(self, x: Tensor) -> Tensor:
        return self.W_F(x)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(x.size(0), self.H)
        c = h
        outputs: list[Tensor] = []
        for fed in self.feed(x).unbind(1):
            h, c = self.step(fed, h, c)
            outputs.append(h)
        return torch.stack(outputs, 1)


class LayerNormLSTM(Loop):
    def __init__(self, I: int, H: int):
        super().__init__(I, H, 4, bias=False)
        self.W_R = nn.Linear(H, 4 * H, bias=False)
        self.norm_x, self.norm_h = nn.LayerNorm(4 * H), nn.LayerNorm(4 * H)
        self.norm_c = nn.LayerNorm(H)

    def feed(self, x: Tensor) -> Tensor:
        return self.norm_x(self.W_F(x))

    def step(self, fed: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = (fed + self.norm_h(self.W_R(h))).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(self.norm_c(c)), c


class PeepholeLSTM(Loop):
    def __init__(self, I: int, H: int):
        super().__init__(I, H, 4)
        self.W_R = nn.Linear(H, 4 * H, bias=False)
        self.peepholes = nn.Parameter(torch.empty(3, H).uniform_(-(H**-0.5), H**-0.5))

    def step(self, fed: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = (fed + self.W_R(h)).chunk(4, 1)
        i = torch.sigmoid(i + self.peepholes[0] * c)
        f = torch.sigmoid(f + self.peepholes[1] * c)
        c = f * c + i * torch.tanh(g)
        return torch.sigmoid(o + self.peepholes[2] * c) * torch.tanh(c), c


class MGU(Loop):
    def __init__(self, I: int, H: int):
        super().__init__(I, H, 2)
        self.W_R_forget = nn.Linear(H, H, bias=False)
        self.W_R_candidate = nn.Linear(H, H, bias=False)

    def step(self, fed: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        of_forget, of_candidate = fed.chunk(2, 1)
        f = torch.sigmoid(of_forget + self.W_R_forget(h))
        n = torch.tanh(of_candidate + self.W_R_candidate(f * h))
        return (1 - f) * h + f * n, c


LOOPS = {"layer_norm_lstm": LayerNormLSTM, "peephole_lstm": PeepholeLSTM, "mgu": MGU}


def build(side):
    if side["form"] == "product":
        return build_product()
    _, T, I, H = side["shape"]
    inputs = Inputs(side)
    if side["form"] in ("padded", "packed"):
        layer = LAYERS[side["cell"]](I, H, batch_first=True)
    else:
        layer = LOOPS[side["cell"]](I, H)
        if side["form"] == "script":
            layer = torch.jit.script(layer)
        elif side["form"] == "compile":  # one step: a whole loop is compiled anew for every T
            layer.step = torch.compile(layer.step, fullgraph=True, dynamic=False)

    def run():
        output = layer(inputs.x)
        return output[0] if isinstance(output, tuple) else output

    def run_packed():
        packed = nn.utils.rnn.pack_padded_sequence(
            inputs.x, inputs.lengths, batch_first=True, enforce_sorted=False
        )
        output, _ = nn.utils.rnn.pad_packed_sequence(
            layer(packed)[0], batch_first=True, total_length=T
        )
        return output

    chosen = run_packed if side["form"] == "packed" else run
    about = {"parameters": count_parameters(layer)}
    return make_call(layer, chosen, inputs, side["trains"]), about


def build_product():
    """Return as many products of square matrices as take about as long as a large layer."""
    torch.manual_seed(0)
    a, b = torch.randn(PRODUCT, PRODUCT), torch.randn(PRODUCT, PRODUCT)

    def run():
        for _ in range(PRODUCTS):
            a @ b

    return run, {"operations": PRODUCTS * 2 * PRODUCT**3}
