// What a C11 compiler makes of siskin.h: the sizes of its structs, which must be those that C++ sees, and the defaults' way of
// writing.
#include <siskin/siskin.h>

size_t siskin_test_c_sizes(size_t* sizes, size_t capacity);
siskin_load_options siskin_test_c_load_options(void);

size_t siskin_test_c_sizes(size_t* sizes, size_t capacity) {
  const size_t all[] = {sizeof(siskin_load_options), sizeof(siskin_info),    sizeof(siskin_session_options),
                        sizeof(siskin_token),        sizeof(siskin_request), sizeof(siskin_phase_cost),
                        sizeof(siskin_result)};
  const size_t n = sizeof all / sizeof all[0];
  for (size_t i = 0; i < n && i < capacity; ++i) sizes[i] = all[i];
  return n;
}

siskin_load_options siskin_test_c_load_options(void) {
  const siskin_load_options options = {.size = sizeof options, .isa = "ref"};
  return options;
}
