// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_DAEMON_TURNS_H_
#define UARENA_DAEMON_TURNS_H_

#include <sys/types.h>

#include <deque>
#include <map>

namespace uarena {

// Whose turn it is: users take turns, and what one user wants done takes turns among itself. So who
// asks a thousand things at once delays another user by one of them.
//
// Example: user 1 adds a, b, c; user 2 adds x. Next: a, x, b, c.
template <typename T>
class Turns {
 public:
  void Add(uid_t user, T* wants) {
    std::deque<T*>& waiting = waiting_[user];
    if (waiting.empty()) users_.push_back(user);
    waiting.push_back(wants);
  }

  bool empty() const { return users_.empty(); }

  // Null: nobody.
  T* Next() {
    if (users_.empty()) return nullptr;
    const uid_t user = users_.front();
    users_.pop_front();
    std::deque<T*>& waiting = waiting_[user];
    T* next = waiting.front();
    waiting.pop_front();
    if (waiting.empty()) {
      waiting_.erase(user);
    } else {
      users_.push_back(user);
    }
    return next;
  }

  void Remove(uid_t user, T* wants) {
    const auto found = waiting_.find(user);
    if (found == waiting_.end()) return;
    std::erase(found->second, wants);
    if (!found->second.empty()) return;
    waiting_.erase(found);
    std::erase(users_, user);
  }

 private:
  std::deque<uid_t> users_;
  std::map<uid_t, std::deque<T*>> waiting_;
};

}  // namespace uarena

#endif  // UARENA_DAEMON_TURNS_H_
