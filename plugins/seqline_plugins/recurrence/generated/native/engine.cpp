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
// transpose.h blocks turned round         vectors.h    vectors and the functions of cells
// sections.h  some units and rows at a time, where units know nothing of each other
#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

#include "gradients.h"
#include "passes.h"
#include "sections.h"

namespace seqline {

static void clear_padding(const Call& call, REAL* rows_of, long width) {
    if (!call.lengths || call.start) return;
    for (long b = 0; b < call.B; b++)
        std::memset(rows_of + (b * call.T + call.lengths[b]) * width, 0,
                    (call.T - call.lengths[b]) * width * sizeof(REAL));
}

static thread_local Room shared_room;  // of the calling thread: what all parts read

static void run_forward(const Program& program, const Call& call) {
    Room borrowed(call.packed);
    Weights weights;
    REAL* bias = nullptr;
    const auto begin = [&](const Call& section) {
        const Sizes sizes(section, program);
        const long biases = program.gates * sizes.padded + PANEL;
        shared_room.reserve(weights_room(program, section, sizes) + biases * sizeof(REAL) + 192);
        shared_room.clear();
        weights = pack_weights(call.packed ? borrowed : shared_room, program, section, sizes, false,
                               program.gates > 0, call.packed && call.is_packed);
        if (!section.bias) return;
        bias = shared_room.take(biases);
        std::fill(bias, bias + biases, (REAL)0);
        for (long g = 0; g < program.gates; g++)
            std::memcpy(bias + g * sizes.padded, section.bias + g * call.all, sizes.H * sizeof(REAL));
    };
    Sections(program, call).each(begin, [&](const Call& group) {
        const Sizes sizes(group, program);
        const Rows rows(group, program);
        if (goes_by_units(program, group, sizes)) {
            std::vector<Row> all;  // those that go a step first
            for (const auto& part : rows.parts) all.insert(all.end(), part.begin(), part.end());
            std::stable_partition(all.begin(), all.end(), [](const Row& row) { return row.length > 0; });
            const long panels = sizes.padded / PANEL, parts = std::min<long>(call.threads, panels);
            in_parts(group, parts, [&](long part) {
                const long first = panels * part / parts * PANEL, stop = panels * (part + 1) / parts * PANEL;
                forward_units(program, group, sizes, weights, all, bias, first, stop - first);
            });
            return;
        }
        in_parts(group, (long)rows.parts.size(), [&](long part) {
            forward_part(program, group, sizes, weights, rows.parts[part], bias);
        }, rows.threads);
    });
    clear_padding(call, call.output, call.all);
}

static void add_own_gradients(const Program& program, const Call& call, const Sizes& sizes,
                              const std::vector<REAL>& of_parts, long parts) {
    for (long o = 0; o < program.owns; o++)
        if (call.own_grad[o])
            for (long u = 0; u < sizes.H; u++) {
                REAL sum = call.adds ? call.own_grad[o][u] : 0;
                for (long part = 0; part < parts; part++)
                    sum += of_parts[(part * program.owns + o) * sizes.padded + u];
                call.own_grad[o][u] = sum;
            }
}

static void run_backward(const Program& program, const Call& call) {
    Room borrowed(call.packed);
    Weights weights;
    const auto begin = [&](const Call& section) {
        const Sizes sizes(section, program);
        shared_room.reserve(weights_room(program, section, sizes));
        shared_room.clear();
        weights = pack_weights(call.packed ? borrowed : shared_room, program, section, sizes, true,
                               program.gates > 0 && call.x_grad, call.packed && call.is_packed);
    };
    Sections(program, call).each(begin, [&](const Call& group) {
        const Sizes sizes(group, program);
        const Rows rows(group, program);
        const long parts = (long)rows.parts.size(), each = program.owns * sizes.padded;
        std::vector<REAL> own(parts * each, 0);
        in_parts(group, parts, [&](long part) {
            backward_part(program, group, sizes, weights, rows.parts[part], own.data() + part * each);
        }, rows.threads);
        add_own_gradients(program, group, sizes, own, parts);
        weight_gradients(program, group, sizes, rows);
    });
    if (call.x_grad) clear_padding(call, call.x_grad, call.I);
}

}  // namespace seqline

extern "C" {
// Numbers that one token takes on the tape.
int64_t seqline_tape_stride(const seqline::Program* program, int64_t I, int64_t H) {
    return seqline::Sections::stride(*program, I, H);
}
// Bytes of `Call::packed`.
int64_t seqline_packed_size(const seqline::Program* program, const seqline::Call* call) {
    int64_t bytes = 0;
    const auto add = [&](const seqline::Call& section) {
        bytes += seqline::weights_room(*program, section, seqline::Sizes(section, *program));
    };
    seqline::Sections(*program, *call).each(add, [](const seqline::Call&) {});
    return bytes;
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
