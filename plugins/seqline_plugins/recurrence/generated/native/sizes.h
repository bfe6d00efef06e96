// How wide a cell's rows are, in the buffers and on the tape.
#pragma once
#include "products.h"
#include "program.h"

namespace seqline {

struct Sizes {
    long H, padded, width, stride;
    Sizes(const Call& call, const Program& program)
        : H(call.H), padded(rounded_up(call.H, VL)), width(padded + VL),
          stride(program.slots * padded + rounded_up(program.kept_numbers, VL) + VL) {}
    long product_width(const Product& product) const { return product.gates * padded + PANEL + VL; }
};

}  // namespace seqline
