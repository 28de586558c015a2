// SPDX-License-Identifier: Apache-2.0

#include "tests/support/kernel_arena_programs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace uarena::testing::internal {
namespace {

// The kernel's own ENOTSUPP, which no user-space header defines; bpf(2) lets it out.
constexpr int kKernelEnotsupp = 524;

// ---- BTF: a kernel function is called by the number that its type has in the running kernel.

struct KfuncIds {
  int alloc_pages = 0;
  int free_pages = 0;
  int reserve_pages = 0;  // 0: the kernel does not have it
  int iter_new = 0;
  int iter_next = 0;
  int iter_destroy = 0;
};

absl::StatusOr<std::string> ReadAll(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return absl::FailedPreconditionError(absl::StrCat("cannot open ", path, ": ", strerror(errno)));
  }
  std::string content;
  char buffer[1 << 16];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof(buffer))) > 0) content.append(buffer, got);
  close(fd);
  if (got < 0) return absl::FailedPreconditionError(absl::StrCat("cannot read ", path));
  return content;
}

// How many bytes follow the struct btf_type itself; -1 for a kind that is not known.
int64_t BytesAfterType(const struct btf_type& type) {
  const int64_t count = BTF_INFO_VLEN(type.info);
  switch (BTF_INFO_KIND(type.info)) {
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case BTF_KIND_DECL_TAG:
      return 4;
    case BTF_KIND_ARRAY:
      return sizeof(struct btf_array);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
      return count * sizeof(struct btf_member);
    case BTF_KIND_ENUM:
      return count * sizeof(struct btf_enum);
    case BTF_KIND_ENUM64:
      return count * sizeof(struct btf_enum64);
    case BTF_KIND_FUNC_PROTO:
      return count * sizeof(struct btf_param);
    case BTF_KIND_DATASEC:
      return count * sizeof(struct btf_var_secinfo);
    case BTF_KIND_PTR:
    case BTF_KIND_FWD:
    case BTF_KIND_TYPEDEF:
    case BTF_KIND_VOLATILE:
    case BTF_KIND_CONST:
    case BTF_KIND_RESTRICT:
    case BTF_KIND_FUNC:
    case BTF_KIND_FLOAT:
    case BTF_KIND_TYPE_TAG:
      return 0;
    default:
      return -1;
  }
}

absl::StatusOr<KfuncIds> FindKfuncs() {
  absl::StatusOr<std::string> btf = ReadAll("/sys/kernel/btf/vmlinux");
  if (!btf.ok()) return btf.status();

  struct btf_header header;
  if (btf->size() < sizeof(header))
    return absl::UnimplementedError("the kernel's BTF is too short");
  memcpy(&header, btf->data(), sizeof(header));
  const uint64_t types_at = uint64_t{header.hdr_len} + header.type_off;
  const uint64_t strings_at = uint64_t{header.hdr_len} + header.str_off;
  if (header.magic != BTF_MAGIC || types_at + header.type_len > btf->size() ||
      strings_at + header.str_len > btf->size()) {
    return absl::UnimplementedError("the kernel's BTF has an unknown layout");
  }
  const absl::string_view types(btf->data() + types_at, header.type_len);
  const absl::string_view strings(btf->data() + strings_at, header.str_len);

  KfuncIds ids;
  const std::pair<absl::string_view, int*> wanted[] = {
      {"bpf_arena_alloc_pages", &ids.alloc_pages},     {"bpf_arena_free_pages", &ids.free_pages},
      {"bpf_arena_reserve_pages", &ids.reserve_pages}, {"bpf_iter_num_new", &ids.iter_new},
      {"bpf_iter_num_next", &ids.iter_next},           {"bpf_iter_num_destroy", &ids.iter_destroy},
  };
  struct btf_type type;
  size_t at = 0;
  for (int id = 1; at + sizeof(type) <= types.size(); ++id) {  // id 0 is void and not stored
    memcpy(&type, types.data() + at, sizeof(type));
    const int64_t extra = BytesAfterType(type);
    if (extra < 0) {
      return absl::UnimplementedError(
          absl::StrCat("the kernel's BTF has a type of unknown kind ", BTF_INFO_KIND(type.info)));
    }
    at += sizeof(type) + extra;
    if (BTF_INFO_KIND(type.info) != BTF_KIND_FUNC || type.name_off >= strings.size()) continue;
    absl::string_view name = strings.substr(type.name_off);
    name = name.substr(0, name.find('\0'));
    for (const auto& [wanted_name, wanted_id] : wanted) {
      if (name == wanted_name) *wanted_id = id;
    }
  }
  for (const auto& [wanted_name, wanted_id] : wanted) {
    if (*wanted_id == 0 && wanted_id != &ids.reserve_pages) {
      return absl::UnimplementedError(absl::StrCat("the kernel does not have ", wanted_name));
    }
  }
  return ids;
}

// ---- A small assembler for the programs.

enum Register : uint8_t { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 };

class Assembler {
 public:
  explicit Assembler(int map_fd) : map_fd_(map_fd) {}

  void Move(Register to, Register from) { Emit(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
  void MoveImm(Register to, int32_t imm) { Emit(BPF_ALU64 | BPF_MOV | BPF_K, to, R0, 0, imm); }
  void AddImm(Register to, int32_t imm) { Emit(BPF_ALU64 | BPF_ADD | BPF_K, to, R0, 0, imm); }
  void Subtract(Register to, Register r) { Emit(BPF_ALU64 | BPF_SUB | BPF_X, to, r, 0, 0); }
  void Load32(Register to, Register base, size_t offset) {
    Emit(BPF_LDX | BPF_MEM | BPF_W, to, base, offset, 0);
  }
  void Load64(Register to, Register base, size_t offset) {
    Emit(BPF_LDX | BPF_MEM | BPF_DW, to, base, offset, 0);
  }
  void Store64(Register base, size_t offset, Register from) {
    Emit(BPF_STX | BPF_MEM | BPF_DW, base, from, offset, 0);
  }
  // Also what ties the program to its arena: the verifier takes the map from here.
  void LoadMap(Register to) {
    Emit(BPF_LD | BPF_IMM | BPF_DW, to, static_cast<Register>(BPF_PSEUDO_MAP_FD), 0, map_fd_);
    Emit(0, R0, R0, 0, 0);
  }
  void CallHelper(int32_t helper) { Emit(BPF_JMP | BPF_CALL, R0, R0, 0, helper); }
  void CallKfunc(int32_t btf_id) {
    Emit(BPF_JMP | BPF_CALL, R0, static_cast<Register>(BPF_PSEUDO_KFUNC_CALL), 0, btf_id);
  }
  void ReturnZero() {
    MoveImm(R0, 0);
    Emit(BPF_JMP | BPF_EXIT, R0, R0, 0, 0);
  }

  // Jumps forward name a jump that Land() completes; jumps back name a place that Here() gave.
  size_t Here() const { return code_.size(); }
  size_t JumpIfZero(Register r) { return EmitJump(BPF_JEQ | BPF_K, r); }
  size_t JumpIfNotZero(Register r) { return EmitJump(BPF_JNE | BPF_K, r); }
  void JumpBack(size_t place) {
    const size_t jump = EmitJump(BPF_JA, R0);
    code_[jump].off = static_cast<int16_t>(place - jump - 1);
  }
  void Land(size_t jump) { code_[jump].off = static_cast<int16_t>(Here() - jump - 1); }

  std::vector<struct bpf_insn> Take() { return std::move(code_); }

 private:
  void Emit(int opcode, Register dst, Register src, size_t offset, int32_t imm) {
    struct bpf_insn insn = {};
    insn.code = static_cast<uint8_t>(opcode);
    insn.dst_reg = dst;
    insn.src_reg = src;
    insn.off = static_cast<int16_t>(offset);
    insn.imm = imm;
    code_.push_back(insn);
  }
  size_t EmitJump(int condition, Register r) {
    Emit(BPF_JMP | condition, r, R0, 0, 0);
    return Here() - 1;
  }

  const int map_fd_;
  std::vector<struct bpf_insn> code_;
};

absl::StatusOr<int> LoadProgram(const char* name, const std::vector<struct bpf_insn>& code) {
  union bpf_attr attr = {};
  attr.prog_type = BPF_PROG_TYPE_SYSCALL;
  attr.prog_flags = BPF_F_SLEEPABLE;  // the allocator may sleep
  attr.insns = PointerToU64(code.data());
  attr.insn_cnt = code.size();
  attr.license = PointerToU64("GPL");  // the kernel functions are for such programs only
  strncpy(attr.prog_name, name, sizeof(attr.prog_name) - 1);
  int fd = BpfCall(BPF_PROG_LOAD, &attr);
  if (fd >= 0) return fd;

  // The log is asked for only on a second attempt, as writing it slows down a load that succeeds.
  const int error = errno;
  std::string log(1 << 16, '\0');
  attr.log_level = 1;
  attr.log_size = log.size();
  attr.log_buf = PointerToU64(log.data());
  fd = BpfCall(BPF_PROG_LOAD, &attr);
  if (fd >= 0) return fd;
  log.resize(strlen(log.c_str()));
  constexpr size_t kTail = 1000;
  if (log.size() > kTail) log.erase(0, log.find('\n', log.size() - kTail) + 1);
  while (!log.empty() && log.back() == '\n') log.pop_back();

  const std::string message =
      absl::StrCat("loading the BPF program ", name, ": error ", error, ", verifier: ", log);
  if (error == EPERM || error == EACCES) {
    // EACCES is also what the verifier says to a program that it does not like.
    return log.empty() || log.find("CAP_") != std::string::npos
               ? absl::PermissionDeniedError(message)
               : absl::InternalError(message);
  }
  if (log.find("JIT is required") != std::string::npos) {
    return absl::FailedPreconditionError(message);
  }
  if (error == kKernelEnotsupp || error == EOPNOTSUPP || error == ENOSYS) {
    return absl::UnimplementedError(message);
  }
  return absl::InternalError(message);
}

// ---- The programs.

// Programs made of one call.
std::vector<struct bpf_insn> SingleCall(int map_fd, int kfunc, bool returns_value) {
  Assembler a(map_fd);
  a.Move(R6, R1);
  a.LoadMap(R1);
  a.Load64(R2, R6, offsetof(KernelArenaContext, addr));
  a.Load32(R3, R6, offsetof(KernelArenaContext, count));
  // Functions with three arguments ignore R4 and R5.
  a.Load32(R4, R6, offsetof(KernelArenaContext, node));
  a.Load64(R5, R6, offsetof(KernelArenaContext, flags));
  a.CallKfunc(kfunc);
  // After a function without a result the verifier lets nobody read R0.
  if (returns_value) a.Store64(R6, offsetof(KernelArenaContext, result), R0);
  a.ReturnZero();
  return a.Take();
}

// Programs that allocate in a loop, and free again or not. The loop is the kernel's iterator over
// numbers: the verifier need not see how often it goes round.
std::vector<struct bpf_insn> AllocLoop(int map_fd, const KfuncIds& kfuncs, bool free_again) {
  constexpr int kIterator = -8;  // a struct bpf_iter_num on the stack
  Assembler a(map_fd);
  const auto point_to_iterator = [&a] {
    a.Move(R1, R10);
    a.AddImm(R1, kIterator);
  };
  a.Move(R6, R1);
  a.Load32(R7, R6, offsetof(KernelArenaContext, count));
  a.MoveImm(R9, 0);
  point_to_iterator();
  a.MoveImm(R2, 0);
  a.Load32(R3, R6, offsetof(KernelArenaContext, iterations));
  a.CallKfunc(kfuncs.iter_new);
  a.CallHelper(BPF_FUNC_ktime_get_ns);
  a.Move(R8, R0);

  const size_t loop = a.Here();
  point_to_iterator();
  a.CallKfunc(kfuncs.iter_next);
  const size_t finished = a.JumpIfZero(R0);
  a.LoadMap(R1);
  a.MoveImm(R2, 0);
  a.Move(R3, R7);
  a.MoveImm(R4, -1);
  a.MoveImm(R5, 0);
  a.CallKfunc(kfuncs.alloc_pages);
  const size_t failed = a.JumpIfZero(R0);
  if (free_again) {
    a.LoadMap(R1);
    a.Move(R2, R0);
    a.Move(R3, R7);
    a.CallKfunc(kfuncs.free_pages);
  } else {
    // Asking the context, not R9, whether this is the first: a branch on R9 would make the
    // verifier follow its value through every iteration.
    a.Load64(R1, R6, offsetof(KernelArenaContext, result));
    const size_t not_first = a.JumpIfNotZero(R1);
    a.Store64(R6, offsetof(KernelArenaContext, result), R0);
    a.Land(not_first);
  }
  a.AddImm(R9, 1);
  a.JumpBack(loop);

  a.Land(finished);
  a.Land(failed);
  a.CallHelper(BPF_FUNC_ktime_get_ns);
  a.Subtract(R0, R8);
  a.Store64(R6, offsetof(KernelArenaContext, elapsed_ns), R0);
  a.Store64(R6, offsetof(KernelArenaContext, completed), R9);
  point_to_iterator();
  a.CallKfunc(kfuncs.iter_destroy);
  a.ReturnZero();
  return a.Take();
}

}  // namespace

int BpfCall(int command, union bpf_attr* attr) {
  return static_cast<int>(syscall(SYS_bpf, command, attr, sizeof(*attr)));
}

absl::StatusOr<int> LoadKernelArenaProgram(KernelArenaOp op, int map_fd) {
  // The running kernel's numbers do not change while the process lives.
  static const absl::StatusOr<KfuncIds>* const found = new absl::StatusOr<KfuncIds>(FindKfuncs());
  if (!found->ok()) return found->status();
  const KfuncIds& kfuncs = **found;
  switch (op) {
    case KernelArenaOp::kAlloc:
      return LoadProgram("alloc", SingleCall(map_fd, kfuncs.alloc_pages, true));
    case KernelArenaOp::kFree:
      return LoadProgram("free", SingleCall(map_fd, kfuncs.free_pages, false));
    case KernelArenaOp::kReserve:
      if (kfuncs.reserve_pages == 0) return -1;
      return LoadProgram("reserve", SingleCall(map_fd, kfuncs.reserve_pages, true));
    case KernelArenaOp::kChurn:
      return LoadProgram("churn", AllocLoop(map_fd, kfuncs, true));
    case KernelArenaOp::kAllocMany:
      return LoadProgram("alloc_many", AllocLoop(map_fd, kfuncs, false));
  }
  return absl::InternalError("no such program");
}

}  // namespace uarena::testing::internal
