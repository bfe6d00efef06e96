// The compact buffers of one thread's rows.
#pragma once
#include <algorithm>
#include <cstring>
#include <vector>

#include "sizes.h"
#include "threads.h"

namespace seqline {

// The compact buffers of one thread's rows, and the pointers of a Step into them.
struct Buffers {
    Step step{};
    std::vector<REAL*> before, after, product, operand, grad_after, grad_before, product_grad,
        operand_grad, own_grad;
    std::vector<const REAL*> own;
    std::vector<std::vector<REAL*>> product_rows, state_rows[2], operand_grad_rows;
    REAL** tape;
    REAL** output;
    const REAL** input;
    const REAL** output_grad;
    REAL** input_grad;
    std::vector<const REAL**> saved_state, noise;
};

// Cells for as many rows of the widest factor that is ever multiplied.
static long cells_room(const Program& program, const Call& call, const Sizes& sizes, long rows) {
    long widest = std::max(call.I, program.gates * sizes.padded);
    for (long p = 0; p < program.products; p++)
        widest = std::max(widest, program.product[p].gates * sizes.padded);
    return IN_CELL > 1 ? rows * row_of_cells(widest) : 0;
}

static long room_needed(const Program& program, const Sizes& sizes, long rows, long more) {
    long numbers = 4 * program.states * rows * sizes.width + program.scratch * rows * sizes.width;
    for (long p = 0; p < program.products; p++)
        numbers += 2 * rows * sizes.product_width(program.product[p]) + 2 * rows * sizes.width;
    numbers += program.numbers * rows + 2 * program.owns * sizes.padded + more;
    const long pointers = (6 + program.states + program.noises) * rows * sizeof(void*);
    const long pieces = 16 + program.noises + 8 * program.states + 6 * program.products + 2 * program.owns;
    return numbers * sizeof(REAL) + pointers + pieces * 192;
}

// `cleared`: what no row has written yet is zero.
static void lay_out(Buffers& buffers, Room& room, const Program& program, const Call& call,
                    const Sizes& sizes, long rows, bool backward, bool cleared = true) {
    const long compact = rows * sizes.width;
    const auto clear = [&](REAL* from, long count) {
        if (cleared) std::fill(from, from + count, (REAL)0);
    };
    auto many = [&](std::vector<REAL*>& list, long count, long size) {
        list.resize(count);
        for (REAL*& one : list) {
            one = room.take(size);
            clear(one, size);
        }
    };
    auto row_pointers = [&](REAL* from, long width) {
        std::vector<REAL*> pointers(rows);
        for (long r = 0; r < rows; r++) pointers[r] = from + r * width;
        return pointers;
    };
    Step& step = buffers.step;
    step.hidden = sizes.H, step.padded = sizes.padded, step.width = sizes.width;
    step.stride = sizes.stride;
    many(backward ? buffers.grad_after : buffers.before, program.states, compact);
    many(backward ? buffers.grad_before : buffers.after, program.states, compact);
    auto& products = backward ? buffers.product_grad : buffers.product;
    auto& operands = backward ? buffers.operand_grad : buffers.operand;
    products.resize(program.products), operands.resize(program.products);
    for (long p = 0; p < program.products; p++) {
        const long width = sizes.product_width(program.product[p]);
        products[p] = room.take(rows * width);
        clear(products[p], rows * width);
        buffers.product_rows.push_back(row_pointers(products[p], width));
        operands[p] = room.take(compact);
        clear(operands[p], compact);
        buffers.operand_grad_rows.push_back(row_pointers(operands[p], sizes.width));
    }
    for (int side = 0; side < 2; side++)
        for (long s = 0; s < program.states; s++) {
            auto& list = backward ? (side ? buffers.grad_before : buffers.grad_after)
                                  : (side ? buffers.after : buffers.before);
            buffers.state_rows[side].push_back(row_pointers(list[s], sizes.width));
        }
    step.scratch_size = compact, step.numbers_size = rows;
    step.scratch = room.take(program.scratch * compact);
    step.numbers = room.take(program.numbers * rows);
    buffers.own.resize(program.owns);
    for (long o = 0; o < program.owns; o++) {
        REAL* padded = room.take(sizes.padded);
        std::fill(padded, padded + sizes.padded, (REAL)0);
        std::memcpy(padded, call.own[o], sizes.H * sizeof(REAL));
        buffers.own[o] = padded;
    }
    if (backward) many(buffers.own_grad, program.owns, sizes.padded);
    buffers.tape = room.take<REAL*>(rows);
    buffers.output = room.take<REAL*>(rows);
    buffers.input = room.take<const REAL*>(rows);
    buffers.output_grad = room.take<const REAL*>(rows);
    buffers.input_grad = room.take<REAL*>(rows);
    buffers.saved_state.resize(program.states);
    for (auto& list : buffers.saved_state) list = room.take<const REAL*>(rows);
    buffers.noise.resize(program.noises);
    for (auto& list : buffers.noise) list = room.take<const REAL*>(rows);
    step.noise = buffers.noise.data();
    step.tape = buffers.tape, step.output = buffers.output, step.input = buffers.input;
    step.output_grad = buffers.output_grad, step.input_grad = buffers.input_grad;
    step.saved_state = buffers.saved_state.data();
    step.before = buffers.before.data(), step.after = buffers.after.data();
    step.product = buffers.product.data(), step.operand = buffers.operand.data();
    step.own = buffers.own.data(), step.own_grad = buffers.own_grad.data();
    step.grad_after = buffers.grad_after.data(), step.grad_before = buffers.grad_before.data();
    step.product_grad = buffers.product_grad.data();
    step.operand_grad = buffers.operand_grad.data();
}

static void swap_states(Buffers& buffers, bool backward) {
    if (backward)
        buffers.grad_after.swap(buffers.grad_before);
    else
        buffers.before.swap(buffers.after);
    buffers.state_rows[0].swap(buffers.state_rows[1]);
    Step& step = buffers.step;
    step.before = buffers.before.data(), step.after = buffers.after.data();
    step.grad_after = buffers.grad_after.data(), step.grad_before = buffers.grad_before.data();
}

}  // namespace seqline
