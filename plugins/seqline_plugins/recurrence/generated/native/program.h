// What the host is called with: a cell's program, and one call on one batch.
#pragma once
#include <cstdint>

#include "step.h"

namespace seqline {

struct Product {           // W_R v for some gates and one vector v
    int64_t gates;
    int64_t state;         // v is this state, or −1: the cell makes it
    int64_t forward_part;  // computed before this function of the forward ones
    int64_t backward_part; // dL/dv is computed before this one (v made by the cell)
    int64_t operand_slot;  // where the tape keeps v (v made by the cell)
    const int64_t* grad_slots;  // of every gate: where the tape keeps its gradient
};

struct Program {
    int64_t states, gates, products, owns, noises;
    int64_t slots, kept_numbers;         // of a token on the tape: slots, and single numbers after them
    int64_t fed_slot, fed_grad_slot;     // the gates' feed-forward parts, and their gradients
    int64_t scratch, numbers;            // between passes: vectors, numbers
    int64_t input_has_grad;              // whether the equations read x_t itself, and it matters
    int64_t forward_parts, backward_parts;
    int64_t apart;                       // whether no unit knows of another one, and nothing is kept
    const int64_t* state_slots;          // where the tape keeps a state, or −1
    const Product* product;
    const Pass* forward;
    const Pass* infer;
    const Pass* backward;
};

using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);

struct Call {
    int64_t B, T, I, H, reverse, threads;
    int64_t all;                 // units of the layer, of which H are done
    int64_t start, stop;         // the steps to do, of T
    int64_t adds;                // whether the weights' gradients are added to what is there
    int64_t adds_to_x;           // the same of x's
    int64_t is_packed;           // whether `packed` is filled, by an earlier call
    void* packed;                // the caller's room for packed weights, or null
    Parallel parallel;           // OpenMP's way to run a function in a team, or null
    const int64_t* lengths;      // of every row, or null: all are T
    const REAL* x;               // (B, T, I)
    const REAL* W_F;             // (gates × all, I)
    const REAL* bias;            // (gates × all), or null
    const REAL* const* W_R;      // of every product: (its gates × H, H)
    const REAL* const* own;      // of every parameter of its own: (H)
    const REAL* const* noise;    // of every noise: (B, T, all), in the order of processing
    const REAL* const* initial;  // of every state: (B, all), or null: zeros
    REAL* output;                // (B, T, all)
    REAL* const* last;           // of every state: (B, all)
    REAL* tape;                  // or null: nothing is kept
    // backward only; a null gradient is zero, or is not asked for
    const REAL* output_grad;
    const REAL* const* last_grad;
    REAL* x_grad;
    REAL* W_F_grad;
    REAL* bias_grad;
    REAL* const* W_R_grad;
    REAL* const* own_grad;
    REAL* const* initial_grad;
};

}  // namespace seqline
