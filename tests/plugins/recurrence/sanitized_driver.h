// Runs cells through the engine at many shapes; a test builds it with sanitizers.
//
// Every buffer has exactly the size that the engine may touch, so that a step beyond it is found.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <thread>

using namespace seqline;
using Numbers = std::vector<REAL>;

struct DrivenCell {
    const char* name;
    const Program* program;
    bool square;  // its equations were traced for I = H
    bool bias;
};
struct Shape {
    long B, T, I, H;
    std::vector<int64_t> lengths;  // none: all are T
};

static void team(void (*work)(void*), void* given, unsigned threads, unsigned) {
    std::vector<std::thread> others;
    for (unsigned n = 1; n < threads; n++) others.emplace_back(work, given);
    work(given);
    for (std::thread& other : others) other.join();
}

static std::mt19937 draw(1);
static Numbers drawn(long count, REAL size = 0.5) {
    std::uniform_real_distribution<double> uniform(0.05, size);
    Numbers numbers(count);
    for (REAL& one : numbers) one = (REAL)uniform(draw);
    return numbers;
}
static std::vector<Numbers> each(long count, std::vector<long> sizes) {
    std::vector<Numbers> found;
    for (long n = 0; n < count; n++) found.push_back(drawn(sizes[n % sizes.size()]));
    return found;
}
static std::vector<REAL*> pointers(std::vector<Numbers>& many, bool none = false) {
    std::vector<REAL*> found;
    for (Numbers& one : many) found.push_back(none ? nullptr : one.data());
    found.push_back(nullptr);  // an empty list has an address too
    return found;
}

// Forward with a tape, backward, and forward without one, twice by kept packed weights; returns
// outputs and gradients.
static std::vector<Numbers> run(const DrivenCell& cell, const Shape& shape, bool reverse, long threads,
                                bool sparse) {
    draw.seed(7);
    const Program& program = *cell.program;
    const long B = shape.B, T = shape.T, H = shape.H, I = cell.square ? H : shape.I;
    std::vector<long> of_product;
    for (long p = 0; p < program.products; p++) of_product.push_back(program.product[p].gates * H * H);
    if (of_product.empty()) of_product.push_back(0);
    Numbers x = drawn(B * T * I), W_F = drawn(program.gates * H * I, 0.1), bias = drawn(program.gates * H);
    auto W_R = each(program.products, of_product), own = each(program.owns, {H});
    for (Numbers& matrix : W_R)
        for (REAL& one : matrix) one /= H;  // or gradients overflow over many steps
    auto noise = each(program.noises, {B * T * H}), initial = each(program.states, {B * H});
    auto last = each(program.states, {B * H}), last_grad = each(program.states, {B * H});
    Numbers output(B * T * H, NAN), output_grad = drawn(B * T * H);
    long tokens = B * T;
    if (!shape.lengths.empty()) {
        tokens = 0;
        for (int64_t length : shape.lengths) tokens += length;
    }
    Numbers tape(tokens * seqline_tape_stride(&program, I, H), NAN);
    Numbers x_grad(B * T * I, NAN), W_F_grad(W_F.size(), NAN), bias_grad(bias.size(), NAN);
    auto W_R_grad = each(program.products, of_product), own_grad = each(program.owns, {H});
    auto initial_grad = each(program.states, {B * H});
    auto W_R_at = pointers(W_R), own_at = pointers(own), noise_at = pointers(noise);
    auto initial_at = pointers(initial, sparse), last_at = pointers(last);
    auto last_grad_at = pointers(last_grad, sparse), W_R_grad_at = pointers(W_R_grad, sparse);
    auto own_grad_at = pointers(own_grad), initial_grad_at = pointers(initial_grad, sparse);
    std::vector<int64_t> lengths = shape.lengths;
    Call call{};
    call.B = B, call.T = T, call.I = I, call.H = call.all = H, call.stop = T;
    call.reverse = reverse, call.threads = threads, call.parallel = threads > 1 ? team : nullptr;
    call.lengths = lengths.empty() ? nullptr : lengths.data();
    call.x = x.data(), call.W_F = W_F.data(), call.bias = cell.bias ? bias.data() : nullptr;
    call.W_R = W_R_at.data(), call.own = own_at.data(), call.noise = noise_at.data();
    call.initial = initial_at.data(), call.output = output.data(), call.last = last_at.data();
    call.tape = tape.data(), call.last_grad = last_grad_at.data();
    call.output_grad = sparse ? nullptr : output_grad.data();
    call.x_grad = sparse ? nullptr : x_grad.data(), call.W_F_grad = W_F_grad.data();
    call.bias_grad = bias_grad.data(), call.W_R_grad = W_R_grad_at.data();
    call.own_grad = own_grad_at.data(), call.initial_grad = initial_grad_at.data();
    if (!program.gates) call.W_F_grad = call.bias_grad = nullptr;
    bool failed = seqline_forward(&program, &call) || seqline_backward(&program, &call);
    std::vector<Numbers> found{output, W_F_grad, bias_grad};
    if (!sparse) found.push_back(x_grad);
    found.insert(found.end(), last.begin(), last.end());
    found.insert(found.end(), W_R_grad.begin(), W_R_grad.end());
    found.insert(found.end(), own_grad.begin(), own_grad.end());
    Numbers kept = output;
    call.tape = nullptr;
    failed = failed || seqline_forward(&program, &call) || output != kept;
    const size_t lines = (seqline_packed_size(&program, &call) + 63) / 64;
    const std::unique_ptr<void, decltype(&std::free)> packed(std::aligned_alloc(64, 64 * lines), std::free);
    call.packed = packed.get();
    for (call.is_packed = 0; call.is_packed < 2; call.is_packed++)
        failed = failed || seqline_forward(&program, &call) || output != kept;
    for (const Numbers& numbers : found)
        for (REAL number : numbers) failed = failed || !std::isfinite(number);
    if (failed) {
        std::printf("%s: (%ld, %ld, %ld, %ld) reverse %d threads %ld: not as it should be\n",
                    cell.name, B, T, I, H, reverse, threads);
        std::exit(2);
    }
    return found;
}

static int run_all(const std::vector<DrivenCell>& cells, const std::vector<Shape>& shapes) {
    for (const DrivenCell& cell : cells)
        for (const Shape& shape : shapes)
            for (int way = 0; way < 4; way++) {
                const bool reverse = way % 2, sparse = way / 2;
                const auto alone = run(cell, shape, reverse, 1, sparse);
                const auto shared = run(cell, shape, reverse, 3, sparse);
                if (alone[0] != shared[0]) {
                    std::printf("%s: outputs depend on the threads\n", cell.name);
                    return 2;
                }
            }
    std::printf("%zu cells, %zu shapes\n", cells.size(), shapes.size());
    return 0;
}
