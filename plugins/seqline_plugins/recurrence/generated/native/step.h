// What the engine and a cell's generated code share: one timestep of one thread's rows.
//
// A *row* is one sequence of the batch. The *tape* holds, for every token, slots of `padded` numbers
// each: the gates' feed-forward parts, then what the backward pass needs, then the gates' gradients;
// the next token of the row stands `stride` further on. Buffers that only live for a step are compact:
// row r stands at r × width. `padded` is H rounded up to whole vectors.
#pragma once

namespace seqline {

struct Step {
    long rows, hidden, padded, width, stride;
    long next;                      // from a row's h_t, in (B, T, H), to that of the next step
    REAL* const* tape;              // of every row: this token's slots
    REAL* const* before;            // of every state: the one before the step, compact
    REAL* const* after;             // of every state: the one after it, compact
    REAL* const* product;           // of every product: W_R v, compact
    REAL* const* operand;           // of every product: v, compact, where the cell makes it
    REAL* scratch;                  // vectors kept between passes: slot s at s × scratch_size
    REAL* numbers;                  // one number a row, kept between passes: slot s at s × numbers_size
    long scratch_size, numbers_size;
    const REAL* const* own;         // of every parameter of the cell's own: padded
    REAL* const* output;            // of every row: where h_t goes, or stands (H numbers)
    const REAL* const* input;       // of every row: x_t
    const REAL* const* const* noise;  // of every noise, of every row: its draws, H numbers
    // backward only
    const REAL* const* output_grad;            // of every row: dL/dh_t from outside, H numbers
    const REAL* const* const* saved_state;     // of every state, of every row: the one before
    REAL* const* grad_after;                   // of every state: dL/d(state after), compact
    REAL* const* grad_before;                  // of every state: dL/d(state before), compact
    REAL* const* product_grad;                 // of every product: dL/d(W_R v), compact
    REAL* const* operand_grad;                 // of every product: dL/dv, compact
    REAL* const* own_grad;                     // of every parameter of its own: summed, padded
    REAL* const* input_grad;                   // of every row: dL/dx_t as the equations read it
};

using Pass = void (*)(const Step*);

}  // namespace seqline
