// The host loop: runs a cell's passes over time, forward and backward, with all matrix products.
//
// Each thread takes whole rows of the batch through all of time, so that no step waits for another
// thread. A row that has ended costs nothing: a thread's rows stand longest first, and a step takes the
// ones that go on. The gradients of the weights are one product after the loop.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "products.h"
#include "step.h"
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

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
    const int64_t* state_slots;          // where the tape keeps a state, or −1
    const Product* product;
    const Pass* forward;
    const Pass* infer;
    const Pass* backward;
};

using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);

struct Call {
    int64_t B, T, I, H, reverse, threads;
    Parallel parallel;           // OpenMP's way to run a function in a team, or null
    const int64_t* lengths;      // of every row, or null: all are T
    const REAL* x;               // (B, T, I)
    const REAL* W_F;             // (gates × H, I)
    const REAL* bias;            // (gates × H), or null
    const REAL* const* W_R;      // of every product: (its gates × H, H)
    const REAL* const* own;      // of every parameter of its own: (H)
    const REAL* const* noise;    // of every noise: (B, T, H), in the order of processing
    const REAL* const* initial;  // of every state: (B, H), or null: zeros
    REAL* output;                // (B, T, H)
    REAL* const* last;           // of every state: (B, H)
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

// Memory of a thread that is kept for the next call.
class Room {
  public:
    ~Room() { std::free(start_); }
    void clear() { used_ = 0; }
    template <class T = REAL> T* take(long count) {
        const long size = rounded_up(count * sizeof(T), 64) + 64;  // apart, so that rows do not alias
        return (T*)(start_ + claim(size));
    }
    void reserve(long bytes) {
        if (bytes <= size_) return;
        std::free(start_);
        size_ = rounded_up(bytes, 4096);
        start_ = (char*)std::aligned_alloc(64, size_);
        if (start_) return;
        size_ = 0;
        throw std::bad_alloc();
    }

  private:
    long claim(long size) {
        const long at = used_;
        used_ += size;
        return at;
    }
    char* start_ = nullptr;
    long size_ = 0, used_ = 0;
};

class NoDenormals {  // numbers below the smallest normal one count as zero: they are very slow
  public:
#if defined(__SSE__)
    NoDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
    ~NoDenormals() { _mm_setcsr(before_); }

  private:
    unsigned before_;
#endif
};

template <class Work> struct Job {
    const Work& work;
    long parts;
    std::atomic<long> next{0};
    std::atomic<bool> failed{false};  // an exception must not leave a team of threads
    static void run(void* given) {
        Job& job = *(Job*)given;
        for (long part; (part = job.next.fetch_add(1)) < job.parts;) {
            NoDenormals quick;
            try {
                job.work(part);
            } catch (...) {
                job.failed = true;
            }
        }
    }
};
template <class Work> void in_parts(const Call& call, long parts, const Work& work) {
    Job<Work> job{work, parts};
    if (parts > 1 && call.parallel)
        call.parallel(Job<Work>::run, &job, (unsigned)parts, 0);
    else
        Job<Work>::run(&job);
    if (job.failed) throw std::bad_alloc();
}

// Which rows each thread takes, the longest first, and where their tokens stand on the tape.
struct Rows {
    struct Row {
        long b, length, token;
    };
    std::vector<std::vector<Row>> parts;
    long tokens = 0;

    explicit Rows(const Call& call, const Program& program) {
        const double work = (double)call.B * call.T * call.H * (call.I + call.H) * program.gates;
        const long most = work < 3e5 ? 1 : std::min(call.threads, call.B);
        parts.resize(std::max(1L, most));
        std::vector<long> order(call.B);
        for (long b = 0; b < call.B; b++) order[b] = b;
        if (call.lengths)
            std::stable_sort(order.begin(), order.end(), [&](long a, long b) {
                return call.lengths[a] > call.lengths[b];
            });
        const long many = (long)parts.size();
        for (long place = 0; place < call.B; place++) {
            const long round = place / many, turn = place % many;
            const long part = call.lengths ? (round % 2 ? many - 1 - turn : turn)
                                           : place * many / call.B;
            const long b = order[place];
            parts[part].push_back({b, call.lengths ? call.lengths[b] : call.T, 0});
        }
        for (auto& part : parts)
            for (Row& row : part) {
                row.token = tokens;
                tokens += row.length;
            }
    }
};
using Row = Rows::Row;

static long step_of(const Call& call, const Row& row, long t) {  // its place in (B, T)
    return row.b * call.T + (call.reverse ? row.length - 1 - t : t);
}

// Weights of `gates` gates, (gates × H, wide), as B of x W^T: K = wide, N = gates × padded.
static void pack_forward(REAL* to, const REAL* W, long gates, long H, long padded, long wide,
                         long part, long parts) {
    const long N = gates * padded, panels = (N + PANEL - 1) / PANEL;
    for (long panel = panels * part / parts; panel < panels * (part + 1) / parts; panel++) {
        const REAL* columns[PANEL];
        for (long j = 0; j < PANEL; j++) {
            const long n = panel * PANEL + j, gate = n / padded, unit = n % padded;
            columns[j] = gate < gates && unit < H ? W + (gate * H + unit) * wide : nullptr;
        }
        REAL* at = to + panel * PANEL * wide;
        for (long start = 0; start < wide; start += 16)
            for (long j = 0; j < PANEL; j++)
                for (long k = start; k < std::min(start + 16, wide); k++)
                    at[k * PANEL + j] = columns[j] ? columns[j][k] : 0;
    }
}
// The same as B of g W: K = gates × padded, N = wide.
static void pack_backward(REAL* to, const REAL* W, long gates, long H, long padded, long wide,
                          long part, long parts) {
    const long K = gates * padded, panels = (wide + PANEL - 1) / PANEL;
    for (long panel = panels * part / parts; panel < panels * (part + 1) / parts; panel++) {
        const long column = panel * PANEL, valid = std::min(PANEL, wide - column);
        for (long k = 0; k < K; k++) {
            REAL* at = to + panel * PANEL * K + k * PANEL;
            const long gate = k / padded, unit = k % padded;
            const long kept = unit < H ? valid : 0;
            if (kept) std::memcpy(at, W + (gate * H + unit) * wide + column, kept * sizeof(REAL));
            std::fill(at + kept, at + PANEL, (REAL)0);
        }
    }
}
static long packed_size(long K, long N) { return K * rounded_up(N, PANEL); }

struct Sizes {
    long H, padded, width, stride;
    Sizes(const Call& call, const Program& program)
        : H(call.H), padded(rounded_up(call.H, VL)), width(padded + VL),
          stride(program.slots * padded + rounded_up(program.kept_numbers, VL) + VL) {}
    long product_width(const Product& product) const { return product.gates * padded + PANEL + VL; }
};

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

static long room_needed(const Program& program, const Sizes& sizes, long rows, long more) {
    long numbers = 4 * program.states * rows * sizes.width + program.scratch * rows * sizes.width;
    for (long p = 0; p < program.products; p++)
        numbers += 2 * rows * sizes.product_width(program.product[p]) + 2 * rows * sizes.width;
    numbers += program.numbers * rows + 2 * program.owns * sizes.padded + more;
    const long pointers = (6 + program.states + program.noises) * rows * sizeof(void*);
    const long pieces = 16 + program.noises + 8 * program.states + 6 * program.products + 2 * program.owns;
    return numbers * sizeof(REAL) + pointers + pieces * 192;
}

static void lay_out(Buffers& buffers, Room& room, const Program& program, const Call& call,
                    const Sizes& sizes, long rows, bool backward) {
    const long compact = rows * sizes.width;
    auto many = [&](std::vector<REAL*>& list, long count, long size) {
        list.resize(count);
        for (REAL*& one : list) {
            one = room.take(size);
            std::fill(one, one + size, (REAL)0);
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
        std::fill(products[p], products[p] + rows * width, (REAL)0);
        buffers.product_rows.push_back(row_pointers(products[p], width));
        operands[p] = room.take(compact);
        std::fill(operands[p], operands[p] + compact, (REAL)0);
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

struct Weights {  // packed for one direction of the computation
    Packed fed{};
    std::vector<Packed> products;
};

static Weights pack_weights(Room& room, const Program& program, const Call& call,
                            const Sizes& sizes, bool backward, bool with_fed) {
    Weights weights;
    std::vector<REAL*> places;
    const auto claim = [&](long gates, long wide) {
        const long K = backward ? gates * sizes.padded : wide;
        const long N = backward ? wide : gates * sizes.padded;
        places.push_back(room.take(packed_size(K, N)));
        return Packed{places.back(), K, N};
    };
    if (with_fed) weights.fed = claim(program.gates, call.I);
    for (long p = 0; p < program.products; p++)
        weights.products.push_back(claim(program.product[p].gates, sizes.H));
    const long parts = (long)call.B * call.T < 64 ? 1 : call.threads;
    const auto pack = backward ? pack_backward : pack_forward;
    in_parts(call, parts, [&](long part) {
        long place = 0;
        if (with_fed)
            pack(places[place++], call.W_F, program.gates, sizes.H, sizes.padded, call.I, part, parts);
        for (long p = 0; p < program.products; p++)
            pack(places[place++], call.W_R[p], program.product[p].gates, sizes.H, sizes.padded,
                 sizes.H, part, parts);
    });
    return weights;
}
static long weights_room(const Program& program, const Call& call, const Sizes& sizes) {
    long numbers = (rounded_up(call.I, PANEL)) * (program.gates * sizes.padded + PANEL);
    for (long p = 0; p < program.products; p++)
        numbers += rounded_up(sizes.H, PANEL) * (program.product[p].gates * sizes.padded + PANEL);
    return numbers * sizeof(REAL) + (program.products + 1) * 192;
}

// Steps of fed-forward parts that are made at once: they should still be in cache when they are read.
static long chunk_of(const Program& program, const Sizes& sizes, long rows) {
    const long token = std::max(1L, program.gates) * sizes.padded * (long)sizeof(REAL);
    const long cached = 256 * 1024 / (std::max(1L, rows) * token);
    return std::max({1L, cached, 4 * BLOCK / std::max(1L, rows)});
}

static void forward_part(const Program& program, const Call& call, const Sizes& sizes,
                         const Weights& weights, const std::vector<Row>& rows, const REAL* bias) {
    if (rows.empty()) return;
    const long n = (long)rows.size(), chunk = std::min(chunk_of(program, sizes, n), call.T);
    const long gathered = 4 * BLOCK, x_width = call.I + VL;
    static thread_local Room room;
    const long kept = call.tape ? 0 : n * chunk * sizes.stride;
    room.reserve(room_needed(program, sizes, n, kept + gathered * x_width));
    room.clear();
    Buffers buffers;
    lay_out(buffers, room, program, call, sizes, n, false);
    REAL* own_tape = kept ? room.take(kept) : nullptr;
    REAL* block_of_x = room.take(gathered * x_width);
    const auto slots_of = [&](long r, long t, long start) {
        return call.tape ? call.tape + (rows[r].token + t) * sizes.stride
                         : own_tape + (r * chunk + t - start) * sizes.stride;
    };
    for (long r = 0; r < n; r++)
        for (long s = 0; s < program.states; s++)
            if (call.initial[s])
                std::memcpy(buffers.before[s] + r * sizes.width, call.initial[s] + rows[r].b * sizes.H,
                            sizes.H * sizeof(REAL));
    const auto finish = [&](long r) {
        for (long s = 0; s < program.states; s++)
            std::memcpy(call.last[s] + rows[r].b * sizes.H, buffers.before[s] + r * sizes.width,
                        sizes.H * sizeof(REAL));
    };
    long active = n;
    while (active && rows[active - 1].length == 0) finish(--active);
    const Pass* passes = call.tape ? program.forward : program.infer;
    for (long start = 0; active; start += chunk) {
        // the gates' feed-forward parts of the chunk, W_F x + b
        REAL* places[4 * BLOCK];
        long waiting = 0;
        const auto flush = [&] {
            if (waiting)
                multiply(waiting, block_of_x, x_width, weights.fed, places, false,
                         bias ? Start::bias : Start::zero, bias);
            waiting = 0;
        };
        if (program.gates)
            for (long r = 0; r < active; r++)
                for (long t = start; t < std::min(rows[r].length, start + chunk); t++) {
                    std::memcpy(block_of_x + waiting * x_width,
                                call.x + step_of(call, rows[r], t) * call.I, call.I * sizeof(REAL));
                    places[waiting++] = slots_of(r, t, start) + program.fed_slot * sizes.padded;
                    if (waiting == gathered) flush();
                }
        flush();
        for (long t = start; t < start + chunk && active; t++) {
            Step& step = buffers.step;
            step.rows = active;
            for (long r = 0; r < active; r++) {
                const long place = step_of(call, rows[r], t);
                buffers.tape[r] = slots_of(r, t, start);
                buffers.output[r] = call.output + place * sizes.H;
                buffers.input[r] = call.x + place * call.I;
                for (long k = 0; k < program.noises; k++)
                    buffers.noise[k][r] = call.noise[k] + (rows[r].b * call.T + t) * sizes.H;
            }
            for (long pass = 0; pass < program.forward_parts; pass++) {
                for (long p = 0; p < program.products; p++) {
                    const Product& product = program.product[p];
                    if (product.forward_part != pass) continue;
                    const REAL* v = product.state >= 0 ? buffers.before[product.state]
                                                       : buffers.operand[p];
                    multiply(active, v, sizes.width, weights.products[p],
                             buffers.product_rows[p].data(), true, Start::zero, nullptr, t % 2);
                }
                passes[pass](&step);
            }
            swap_states(buffers, false);
            while (active && rows[active - 1].length == t + 1) finish(--active);
        }
    }
}

static void backward_part(const Program& program, const Call& call, const Sizes& sizes,
                          const Weights& weights, const std::vector<Row>& rows, REAL* own_grad) {
    if (rows.empty()) return;
    const long n = (long)rows.size();
    static thread_local Room room;
    room.reserve(room_needed(program, sizes, n, 2 * sizes.padded));
    room.clear();
    Buffers buffers;
    lay_out(buffers, room, program, call, sizes, n, true);
    REAL* zeros = room.take(sizes.padded);
    std::fill(zeros, zeros + sizes.padded, (REAL)0);
    const auto bring_in = [&](long r) {
        for (long s = 0; s < program.states; s++) {
            REAL* to = buffers.grad_after[s] + r * sizes.width;
            if (call.last_grad[s])
                std::memcpy(to, call.last_grad[s] + rows[r].b * sizes.H, sizes.H * sizeof(REAL));
            else
                std::fill(to, to + sizes.padded, (REAL)0);
        }
    };
    long active = 0;
    for (long t = rows[0].length - 1; t >= 0; t--) {
        while (active < n && rows[active].length > t) bring_in(active++);
        Step& step = buffers.step;
        step.rows = active;
        for (long r = 0; r < active; r++) {
            const long place = step_of(call, rows[r], t);
            buffers.tape[r] = call.tape + (rows[r].token + t) * sizes.stride;
            buffers.input[r] = call.x + place * call.I;
            buffers.output_grad[r] = call.output_grad ? call.output_grad + place * sizes.H : zeros;
            for (long k = 0; k < program.noises; k++)
                buffers.noise[k][r] = call.noise[k] + (rows[r].b * call.T + t) * sizes.H;
            REAL* const input_grad = call.x_grad ? call.x_grad + place * call.I : nullptr;
            buffers.input_grad[r] = input_grad;
            if (input_grad && (program.input_has_grad || !program.gates))  // the pass writes H of them
                std::fill(input_grad, input_grad + call.I, (REAL)0);
            for (long s = 0; s < program.states; s++) {
                const REAL* from;
                if (t == 0)
                    from = call.initial[s] ? call.initial[s] + rows[r].b * sizes.H : zeros;
                else if (program.state_slots[s] >= 0)
                    from = buffers.tape[r] - sizes.stride + program.state_slots[s] * sizes.padded;
                else
                    from = call.output + step_of(call, rows[r], t - 1) * sizes.H;
                buffers.saved_state[s][r] = from;
            }
        }
        for (long pass = 0; pass < program.backward_parts; pass++) {
            for (long p = 0; p < program.products; p++)
                if (program.product[p].state < 0 && program.product[p].backward_part == pass)
                    multiply(active, buffers.product_grad[p], sizes.product_width(program.product[p]),
                             weights.products[p], buffers.operand_grad_rows[p].data(), false,
                             Start::zero, nullptr, t % 2);
            program.backward[pass](&step);
        }
        for (long p = 0; p < program.products; p++)
            if (program.product[p].state >= 0)
                multiply(active, buffers.product_grad[p], sizes.product_width(program.product[p]),
                         weights.products[p], buffers.state_rows[1][program.product[p].state].data(),
                         false, Start::add, nullptr, t % 2);
        swap_states(buffers, true);
    }
    while (active < n) bring_in(active++);
    for (long s = 0; s < program.states; s++)
        if (call.initial_grad[s])
            for (long r = 0; r < n; r++)
                std::memcpy(call.initial_grad[s] + rows[r].b * sizes.H,
                            buffers.grad_after[s] + r * sizes.width, sizes.H * sizeof(REAL));
    for (long o = 0; o < program.owns; o++)
        std::memcpy(own_grad + o * sizes.padded, buffers.own_grad[o], sizes.padded * sizeof(REAL));

    if (!call.x_grad || !program.gates) return;
    REAL* places[4 * BLOCK];
    const REAL* first_token = nullptr;
    long waiting = 0;
    const auto flush = [&] {
        if (waiting)
            multiply(waiting, first_token, sizes.stride, weights.fed, places, false,
                     program.input_has_grad ? Start::add : Start::zero);
        waiting = 0;
    };
    for (const Row& row : rows)  // its tokens stand side by side on the tape, as the rows do
        for (long t = 0; t < row.length; t++) {
            if (!waiting)
                first_token = call.tape + (row.token + t) * sizes.stride +
                              program.fed_grad_slot * sizes.padded;
            places[waiting++] = call.x_grad + step_of(call, row, t) * call.I;
            if (waiting == 4 * BLOCK) flush();
        }
    flush();
}

// The gradients of the weights: dW = Σ over tokens of (gate's gradient) ⊗ (what it multiplied).
struct Outer {  // one gate's gradient against one kind of vectors
    long kind;
    REAL* to;
};
struct Gradient {
    long slot;
    std::vector<Outer> against;
    REAL* sum;  // the bias's gradient, or null
};
constexpr int OUTER_ROWS = VL * sizeof(REAL) >= 64 ? 8 : 4;

static __attribute__((noinline)) void outer_block(const REAL* __restrict left, const REAL* __restrict right,
                                                  long K, REAL* __restrict to, long width, bool add) {
    Vector sum[OUTER_ROWS][2];
#pragma GCC unroll 8
    for (int i = 0; i < OUTER_ROWS; i++)
        for (int j = 0; j < 2; j++) sum[i][j] = add ? load(to + i * width + j * VL) : Vector{};
    for (long k = 0; k < K; k++) {
        const Vector first = *(const Vector*)(right + k * PANEL);
        const Vector second = *(const Vector*)(right + k * PANEL + VL);
#pragma GCC unroll 8
        for (int i = 0; i < OUTER_ROWS; i++) {
            const REAL one = left[k * OUTER_ROWS + i];
            sum[i][0] += one * first, sum[i][1] += one * second;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < OUTER_ROWS; i++)
        for (int j = 0; j < 2; j++) store(to + i * width + j * VL, sum[i][j]);
}

static void weight_gradients(const Program& program, const Call& call, const Sizes& sizes,
                             const Rows& rows) {
    // kinds of vectors that gates multiplied: x, and the v of every product
    struct Kind {
        std::vector<const REAL*> of_token;
        long width;
    };
    std::vector<Kind> kinds;
    std::vector<Gradient> gradients;
    std::vector<REAL> zeros(sizes.padded, 0);
    const auto gradient_of = [&](long slot) -> Gradient& {
        for (Gradient& one : gradients)
            if (one.slot == slot) return one;
        gradients.push_back({slot, {}, nullptr});
        return gradients.back();
    };
    const auto each_token = [&](auto&& pointer_of) {
        std::vector<const REAL*> found(rows.tokens);
        for (const auto& part : rows.parts)
            for (const Row& row : part)
                for (long t = 0; t < row.length; t++) found[row.token + t] = pointer_of(row, t);
        return found;
    };
    if (program.gates && (call.W_F_grad || call.bias_grad)) {
        if (call.W_F_grad)
            kinds.push_back({each_token([&](const Row& row, long t) {
                                 return call.x + step_of(call, row, t) * call.I;
                             }),
                             call.I});
        for (long g = 0; g < program.gates; g++) {
            Gradient& gradient = gradient_of(program.fed_grad_slot + g);
            if (call.W_F_grad) gradient.against.push_back({0, call.W_F_grad + g * sizes.H * call.I});
            if (call.bias_grad) gradient.sum = call.bias_grad + g * sizes.H;
        }
    }
    for (long p = 0; p < program.products; p++) {
        if (!call.W_R_grad[p]) continue;
        const Product& product = program.product[p];
        kinds.push_back(
            {each_token([&](const Row& row, long t) -> const REAL* {
                 const REAL* slots = call.tape + (row.token + t) * sizes.stride;
                 const long s = product.state;
                 if (s < 0) return slots + product.operand_slot * sizes.padded;
                 if (t == 0)
                     return call.initial[s] ? call.initial[s] + row.b * sizes.H : zeros.data();
                 if (program.state_slots[s] >= 0)
                     return slots - sizes.stride + program.state_slots[s] * sizes.padded;
                 return call.output + step_of(call, row, t - 1) * sizes.H;
             }),
             sizes.H});
        for (long g = 0; g < product.gates; g++)
            gradient_of(product.grad_slots[g])
                .against.push_back({(long)kinds.size() - 1, call.W_R_grad[p] + g * sizes.H * sizes.H});
    }
    long across = 0;
    for (const Kind& kind : kinds) across += rounded_up(kind.width, PANEL);
    long depth = 256;
    while (depth > 32 && depth * across * (long)sizeof(REAL) > 400 * 1024) depth /= 2;
    const long blocks_each = (sizes.H + OUTER_ROWS - 1) / OUTER_ROWS;
    const long blocks = blocks_each * (long)gradients.size();
    const double work = (double)rows.tokens * blocks * OUTER_ROWS * across;
    const long parts = work < 3e5 ? 1 : std::max(1L, std::min(call.threads, blocks));
    in_parts(call, parts, [&](long part) {
        static thread_local Room room;
        room.reserve((depth * (across + OUTER_ROWS) + OUTER_ROWS * PANEL) * sizeof(REAL) +
                     (kinds.size() + 3) * 192);
        room.clear();
        std::vector<REAL*> packed;
        for (const Kind& kind : kinds) packed.push_back(room.take(depth * rounded_up(kind.width, PANEL)));
        REAL* left = room.take(depth * OUTER_ROWS);
        REAL* edge = room.take(OUTER_ROWS * PANEL);
        for (long start = 0; start == 0 || start < rows.tokens; start += depth) {
            const long K = std::min(depth, rows.tokens - start);
            for (size_t kind = 0; kind < kinds.size(); kind++)
                for (long k = 0; k < K; k++) {
                    const REAL* from = kinds[kind].of_token[start + k];
                    for (long at = 0; at < kinds[kind].width; at += PANEL) {
                        REAL* to = packed[kind] + at * depth + k * PANEL;
                        const long valid = std::min(PANEL, kinds[kind].width - at);
                        std::memcpy(to, from + at, valid * sizeof(REAL));
                        std::fill(to + valid, to + PANEL, (REAL)0);
                    }
                }
            for (long number = blocks * part / parts; number < blocks * (part + 1) / parts; number++) {
                const Gradient& gradient = gradients[number / blocks_each];
                const long unit = number % blocks_each * OUTER_ROWS;
                const long units = std::min((long)OUTER_ROWS, sizes.H - unit);
                const REAL* from = call.tape + start * sizes.stride + gradient.slot * sizes.padded + unit;
                REAL sums[OUTER_ROWS] = {};
                for (long k = 0; k < K; k++)  // past H the slots hold zeros
                    for (int i = 0; i < OUTER_ROWS; i++) {
                        const REAL one = from[k * sizes.stride + i];
                        left[k * OUTER_ROWS + i] = one;
                        sums[i] += one;
                    }
                if (gradient.sum)
                    for (long i = 0; i < units; i++)
                        gradient.sum[unit + i] = sums[i] + (start ? gradient.sum[unit + i] : 0);
                for (const Outer& outer : gradient.against) {
                    const long width = kinds[outer.kind].width;
                    for (long at = 0; at < width; at += PANEL) {
                        const REAL* right = packed[outer.kind] + at * depth;
                        REAL* to = outer.to + unit * width + at;
                        const long valid = std::min(PANEL, width - at);
                        if (units == OUTER_ROWS && valid == PANEL) {
                            outer_block(left, right, K, to, width, start);
                            continue;
                        }
                        for (long i = 0; i < units && start; i++)
                            std::memcpy(edge + i * PANEL, to + i * width, valid * sizeof(REAL));
                        outer_block(left, right, K, edge, PANEL, start);
                        for (long i = 0; i < units; i++)
                            std::memcpy(to + i * width, edge + i * PANEL, valid * sizeof(REAL));
                    }
                }
            }
        }
    });
}

static void clear_padding(const Call& call, REAL* rows_of, long width) {
    if (!call.lengths) return;
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
    const Weights weights = pack_weights(shared_room, program, call, sizes, false, program.gates > 0);
    REAL* bias = nullptr;
    if (call.bias) {
        bias = shared_room.take(program.gates * sizes.padded + PANEL);
        std::fill(bias, bias + program.gates * sizes.padded + PANEL, (REAL)0);
        for (long g = 0; g < program.gates; g++)
            std::memcpy(bias + g * sizes.padded, call.bias + g * sizes.H, sizes.H * sizeof(REAL));
    }
    in_parts(call, (long)rows.parts.size(), [&](long part) {
        forward_part(program, call, sizes, weights, rows.parts[part], bias);
    });
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
    });
    for (long o = 0; o < program.owns; o++)
        if (call.own_grad[o])
            for (long u = 0; u < sizes.H; u++) {
                REAL sum = 0;
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
