// Lists the providers that this build has.
#include "kernels/provider.h"

#include <vector>

#include "kernels/vendor/vendors.h"

namespace siskin {

std::span<const Provider* const> providers() {
  static const std::vector<const Provider*> list = {
#if defined(SISKIN_HAVE_ONEDNN)
    &onednn_provider(),
#endif
#if defined(SISKIN_HAVE_BLIS)
    &blis_provider(),
#endif
  };
  return list;
}

}  // namespace siskin
