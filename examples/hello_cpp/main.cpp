// The library in one page: load a model, stream its continuation of a text, print what that cost.
#include <siskin/model.h>
#include <siskin/session.h>

#include <iostream>

namespace {

int fail(const siskin::Error& error) {
  std::cerr << "hello_cpp: " << error.message << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "hello_cpp: usage: hello_cpp MODEL TEXT\n";
    return 2;
  }
  const auto model = siskin::Model::load(argv[1]);
  if (!model) return fail(model.error());
  auto session = siskin::Session::create(*model);
  if (!session) return fail(session.error());
  auto tokens = (*model)->tokenize(argv[2]);
  if (!tokens) return fail(tokens.error());

  siskin::Request request;
  request.tokens = *std::move(tokens);
  request.max_new_tokens = 64;
  request.on_token = [](const siskin::TokenEvent& event) {
    std::cout << event.text << std::flush;
    return true;  // false would cancel
  };
  const auto completion = (*session)->generate(std::move(request));
  if (!completion) return fail(completion.error());
  std::cout << "\n\n" << siskin::to_text(completion->cost);
}
