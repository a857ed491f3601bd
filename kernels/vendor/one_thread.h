// A scope in which OpenMP regions of the calling thread run on that thread alone.
#pragma once

#include <dlfcn.h>

namespace siskin {

// Debian's oneDNN runs on OpenMP. Within this scope the calling thread's parallel regions have one thread: no second pool
// beside our workers. The OpenMP library is whichever oneDNN brought along, so its functions are asked for by name; a build of
// oneDNN without OpenMP has none and needs none.
class OneThread {
 public:
  OneThread() : before_(functions().get != nullptr ? functions().get() : 0) {
    if (functions().set != nullptr) functions().set(1);
  }
  ~OneThread() {
    if (functions().set != nullptr && before_ > 0) functions().set(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  struct Functions {
    int (*get)();
    void (*set)(int);
  };
  static const Functions& functions() {
    static const Functions found = {reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads")),
                                    reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"))};
    return found;
  }
  int before_;
};

}  // namespace siskin
