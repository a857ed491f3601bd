// Withdrawal: takes a request out of its session at the end of a scope, unless it was finished.
#pragma once

#include <siskin/session.h>

namespace siskin {

class Withdrawal {
 public:
  Withdrawal(Session& session, RequestId id) : session_(session), id_(id) {}
  ~Withdrawal() {
    if (!done_) session_.withdraw(id_);
  }
  Withdrawal(const Withdrawal&) = delete;
  Withdrawal& operator=(const Withdrawal&) = delete;
  void done() { done_ = true; }

 private:
  Session& session_;
  RequestId id_;
  bool done_ = false;
};

}  // namespace siskin
