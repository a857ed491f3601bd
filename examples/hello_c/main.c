// The library in one page of C: load a model, stream its continuation of a text, print what that cost.
#include <siskin/siskin.h>

#include <inttypes.h>
#include <stdio.h>

static int fail(void) {
  fprintf(stderr, "hello_c: %s\n", siskin_error_message());
  return 1;
}

static int print_token(void* out, const siskin_token* token) {
  fwrite(token->text, 1, token->text_bytes, out);
  fflush(out);
  return 0;  // anything else would cancel
}

static void print_cost(const char* phase, const siskin_phase_cost* cost) {
  printf("%s: %" PRIu64 " tokens in %.4f s, %" PRIu64 " of %" PRIu64 " parameters active\n", phase, cost->tokens, cost->seconds,
         cost->active_params, cost->total_params);
  for (size_t role = 0; role < cost->n_roles; ++role) {
    if (cost->weight_bytes_by_role[role] == 0) continue;
    printf("  %-14s %12" PRIu64 " bytes read\n", siskin_role_name(role), cost->weight_bytes_by_role[role]);
  }
  printf("  %-14s %12" PRIu64 " bytes read\n", "kv", cost->kv_read_bytes);
}

static int run(siskin_session* session, const char* text) {
  siskin_request request;
  siskin_request_init(&request, sizeof request);
  request.text = text;
  request.max_new_tokens = 64;
  request.on_token = print_token;
  request.user = stdout;
  const siskin_result* result;
  if (siskin_generate(session, &request, &result) != SISKIN_OK) return fail();
  printf("\n\n");
  print_cost("prefill", result->prefill);
  print_cost("decode", result->decode);
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "hello_c: usage: hello_c MODEL TEXT\n");
    return 2;
  }
  siskin_model* model;
  if (siskin_model_load(argv[1], NULL, &model) != SISKIN_OK) return fail();
  siskin_session* session;
  const int failed = siskin_session_create(model, NULL, &session) != SISKIN_OK ? fail() : run(session, argv[2]);
  siskin_session_free(session);
  siskin_model_free(model);
  return failed;
}
