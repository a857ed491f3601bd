// The avx2vnni table on vpdpbusd's EVEX encoding. Built with flags of its own, like the sets; one global symbol.
#if defined(__GNUC__) && !defined(__clang__)
// As in isa_avx2vnni.cpp and isa_avx512.cpp: warnings about the compiler's own headers and xsimd's.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "kernels/avx2/strip_vnni-inl.h"
#include "kernels/generic/table-inl.h"

namespace siskin {
extern const KernelTable kTableAvx2VnniEvex;
}

namespace {

struct DpbusdEvex {
  static __m256i add(__m256i sum, __m256i unsigned_bytes, __m256i signed_bytes) {
    return _mm256_dpbusd_epi32(sum, unsigned_bytes, signed_bytes);
  }
};

}  // namespace

constinit const siskin::KernelTable siskin::kTableAvx2VnniEvex = with_int8<StripAvx2Vnni<DpbusdEvex>>();
