// The host loop: runs a cell's passes over time, forward and backward, with all matrix products.
//
// Each thread takes whole rows of the batch through all of time, so that no step waits for another
// thread. A row that has ended costs nothing: a thread's rows stand longest first, and a step takes the
// ones that go on. The gradients of the weights are one product after the loop.
//
// program.h   what it is called with      rows.h       which thread takes which rows
// threads.h   memory and teams            weights.h    packed for the products
// buffers.h   a thread's rows, compact    passes.h     forward and backward through time
// sizes.h     widths                      gradients.h  of the weights, after the loop
// products.h  matrix products             tiles.h      the same on Intel's matrix tiles
#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

#include "gradients.h"
#include "passes.h"

namespace seqline {

static void clear_padding(const Call& call, REAL* rows_of, long width) {
    if (!call.lengths || call.start) return;
    for (long b = 0; b < call.B; b++)
        std::memset(rows_of + (b * call.T + call.lengths[b]) * width, 0,
                    (call.T - call.lengths[b]) * width * sizeof(REAL));
}

static thread_local Room shared_room;  // of the calling thread: what all parts read

static void run_forward(const Program& program, const Call& call) {
    const Sizes sizes(call, program);
    const Rows rows(call, program);
    shared_room.reserve(weights_room(program, call, sizes) +
                        (program.gates * sizes.padded + PANEL) * sizeof(REAL) + 192);
    shared_room.clear();
    Room borrowed(call.packed);
    const Weights weights = pack_weights(call.packed ? borrowed : shared_room, program, call, sizes,
                                         false, program.gates > 0, call.packed && call.is_packed);
    REAL* bias = nullptr;
    if (call.bias) {
        bias = shared_room.take(program.gates * sizes.padded + PANEL);
        std::fill(bias, bias + program.gates * sizes.padded + PANEL, (REAL)0);
        for (long g = 0; g < program.gates; g++)
            std::memcpy(bias + g * sizes.padded, call.bias + g * sizes.H, sizes.H * sizeof(REAL));
    }
    in_parts(call, (long)rows.parts.size(), [&](long part) {
        forward_part(program, call, sizes, weights, rows.parts[part], bias);
    }, rows.threads);
    clear_padding(call, call.output, sizes.H);
}

static void run_backward(const Program& program, const Call& call) {
    const Sizes sizes(call, program);
    const Rows rows(call, program);
    const long parts = (long)rows.parts.size();
    shared_room.reserve(weights_room(program, call, sizes));
    shared_room.clear();
    const bool fed = program.gates > 0 && call.x_grad;
    const Weights weights = pack_weights(shared_room, program, call, sizes, true, fed);
    std::vector<REAL> own(parts * program.owns * sizes.padded, 0);
    in_parts(call, parts, [&](long part) {
        backward_part(program, call, sizes, weights, rows.parts[part],
                      own.data() + part * program.owns * sizes.padded);
    }, rows.threads);
    for (long o = 0; o < program.owns; o++)
        if (call.own_grad[o])
            for (long u = 0; u < sizes.H; u++) {
                REAL sum = call.adds ? call.own_grad[o][u] : 0;
                for (long part = 0; part < parts; part++)
                    sum += own[(part * program.owns + o) * sizes.padded + u];
                call.own_grad[o][u] = sum;
            }
    if (call.x_grad) clear_padding(call, call.x_grad, call.I);
    weight_gradients(program, call, sizes, rows);
}

}  // namespace seqline

extern "C" {
// Numbers that one token takes on the tape.
int64_t seqline_tape_stride(const seqline::Program* program, int64_t H) {
    seqline::Call call{};
    call.H = H;
    return seqline::Sizes(call, *program).stride;
}
// Bytes of `Call::packed`.
int64_t seqline_packed_size(const seqline::Program* program, const seqline::Call* call) {
    return seqline::weights_room(*program, *call, seqline::Sizes(*call, *program));
}
int64_t seqline_forward(const seqline::Program* program, const seqline::Call* call) {
    try {
        seqline::run_forward(*program, *call);
    } catch (...) {
        return 1;
    }
    return 0;
}
int64_t seqline_backward(const seqline::Program* program, const seqline::Call* call) {
    try {
        seqline::run_backward(*program, *call);
    } catch (...) {
        return 1;
    }
    return 0;
}
}
