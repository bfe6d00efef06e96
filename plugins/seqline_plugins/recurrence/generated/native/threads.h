// Memory of a thread that is kept for the next call, and work in parts on a team of threads.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include "program.h"
#include "vectors.h"
#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace seqline {

// Memory of a thread that is kept for the next call, or the caller's own.
class Room {
    static constexpr long HUGE_PAGE = 1 << 21;  // weights are read from first to last in every step

  public:
    Room() = default;
    explicit Room(void* borrowed) : start_((char*)borrowed), owned_(false) {}
    Room(const Room&) = delete;
    ~Room() {
        if (owned_) std::free(start_);
    }
    void clear() { used_ = 0; }
    template <class T = REAL> T* take(long count) {
        const long size = rounded_up(count * sizeof(T), 64) + 64;  // apart, so that rows do not alias
        return (T*)(start_ + claim(size));
    }
    void reserve(long bytes) {
        if (bytes <= size_) return;
        std::free(start_);
        const long page = bytes < HUGE_PAGE / 8 ? 4096 : HUGE_PAGE;
        size_ = rounded_up(bytes, page);
        start_ = (char*)std::aligned_alloc(page, size_);
#if defined(MADV_HUGEPAGE)
        if (start_ && page == HUGE_PAGE) madvise(start_, size_, MADV_HUGEPAGE);
#endif
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
    bool owned_ = true;
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
template <class Work> void in_parts(const Call& call, long parts, const Work& work, long threads) {
    Job<Work> job{work, parts};
    if (threads > 1 && parts > 1 && call.parallel)
        call.parallel(Job<Work>::run, &job, (unsigned)std::min(parts, threads), 0);
    else
        Job<Work>::run(&job);
    if (job.failed) throw std::bad_alloc();
}
template <class Work> void in_parts(const Call& call, long parts, const Work& work) {
    in_parts(call, parts, work, parts);
}

}  // namespace seqline
