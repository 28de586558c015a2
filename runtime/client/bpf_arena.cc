// SPDX-License-Identifier: Apache-2.0
//
// The C names of BPF arena code, on top of Arena. Where the kernel's answers are coarser or odder
// than Arena's, the oddities are made here: an unaligned reservation is 0, only the low 32 bits of
// an address count.
#include "uarena/bpf_arena.h"

#include <new>
#include <string>

#include "uarena/arena.h"

namespace {

using uarena::Arena;

constexpr uint64_t k4GiB = uint64_t{1} << 32;

thread_local std::string g_error;

Arena* Bound(const void* map) {
  return map == nullptr ? nullptr
                        : static_cast<Arena*>(static_cast<const uarena_map*>(map)->handle);
}

int Errno(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kAlreadyExists:
      return -EBUSY;
    case absl::StatusCode::kResourceExhausted:
      return -ENOMEM;
    case absl::StatusCode::kNotFound:
      return -ENOENT;
    case absl::StatusCode::kOutOfRange:
      return -ERANGE;
    case absl::StatusCode::kUnavailable:
      return -ECONNREFUSED;
    case absl::StatusCode::kPermissionDenied:
      return -EPERM;
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kFailedPrecondition:
      return -EOPNOTSUPP;
    default:
      return -EINVAL;
  }
}

int Fail(int error, const std::string& message) {
  g_error = message;
  return error;
}

int Report(const absl::Status& status) {
  if (status.ok()) return 0;
  return Fail(Errno(status), status.ToString());
}

int CheckMap(const uarena_map* map, uint64_t max_entries, uint32_t flags) {
  if (map == nullptr) return Fail(-EINVAL, "map is null");
  if (map->handle != nullptr) return Fail(-EBUSY, "map is bound to an arena already");
  if ((flags & ~BPF_F_SEGV_ON_FAULT) != 0) {
    return Fail(-EINVAL, "flags has bits other than BPF_F_SEGV_ON_FAULT");
  }
  if (max_entries > k4GiB / static_cast<uint64_t>(sysconf(_SC_PAGESIZE))) {
    return Fail(-E2BIG, "max_entries is more than 4 GiB of pages");
  }
  return 0;
}

int Bind(uarena_map* map, absl::StatusOr<Arena> arena) {
  if (!arena.ok()) return Report(arena.status());
  // An existing arena may be larger than what was asked for. There the low 32 bits name several
  // pages.
  if (arena->size() > k4GiB) return Fail(-E2BIG, "the arena is larger than 4 GiB");
  map->handle = new (std::nothrow) Arena(*std::move(arena));
  return map->handle != nullptr ? 0 : Fail(-ENOMEM, "out of memory");
}

// Only the low 32 bits of an address name its page, as in the kernel.
void* FullAddress(const Arena& arena, const void* ptr) {
  const auto base = reinterpret_cast<uint64_t>(arena.base());
  const auto low = static_cast<uint32_t>(reinterpret_cast<uint64_t>(ptr));
  return reinterpret_cast<void*>((base & ~(k4GiB - 1)) | low);
}

}  // namespace

extern "C" {

int uarena_map_create(uarena_map* map, uint64_t max_entries, uint32_t flags) {
  if (const int error = CheckMap(map, max_entries, flags); error != 0) return error;
  uarena::ArenaOptions options;
  options.max_pages = max_entries;
  options.segv_on_fault = (flags & BPF_F_SEGV_ON_FAULT) != 0;
  return Bind(map, Arena::Create(options));
}

int uarena_map_open(uarena_map* map, const char* name, uint64_t max_entries, uint32_t flags) {
  if (const int error = CheckMap(map, max_entries, flags); error != 0) return error;
  if (name == nullptr) return Fail(-EINVAL, "name is null");
  uarena::ArenaOptions options;
  options.max_pages = max_entries;
  options.segv_on_fault = (flags & BPF_F_SEGV_ON_FAULT) != 0;
  return Bind(map, Arena::Open(name, options));
}

void uarena_map_close(uarena_map* map) {
  delete Bound(map);
  if (map != nullptr) map->handle = nullptr;
}

void* uarena_map_base(const uarena_map* map) {
  const Arena* arena = Bound(map);
  return arena == nullptr ? nullptr : arena->base();
}

int uarena_map_set_root(uarena_map* map, const char* name, const void* ptr) {
  Arena* arena = Bound(map);
  if (arena == nullptr || name == nullptr) return Fail(-EINVAL, "map is unbound or name is null");
  return Report(arena->SetRoot(name, ptr));
}

void* uarena_map_root(const uarena_map* map, const char* name) {
  const Arena* arena = Bound(map);
  if (arena == nullptr || name == nullptr) {
    Fail(-EINVAL, "map is unbound or name is null");
    return nullptr;
  }
  const absl::StatusOr<void*> root = arena->Root(name);
  return Report(root.status()) == 0 ? *root : nullptr;
}

const char* uarena_map_error() { return g_error.c_str(); }

void* bpf_arena_alloc_pages(void* map, void* addr, uint32_t page_cnt, int node_id, uint64_t flags) {
  Arena* arena = Bound(map);
  if (arena == nullptr || flags != 0 || page_cnt == 0) return nullptr;
  void* at = addr == nullptr ? nullptr : FullAddress(*arena, addr);
  const absl::StatusOr<void*> pages = arena->AllocPages(at, page_cnt, node_id);
  return pages.ok() ? *pages : nullptr;
}

void bpf_arena_free_pages(void* map, void* ptr, uint32_t page_cnt) {
  Arena* arena = Bound(map);
  if (arena == nullptr || ptr == nullptr || page_cnt == 0) return;
  // An address outside and a double free change nothing, here as in the kernel, and nobody is told.
  arena->FreePages(FullAddress(*arena, ptr), page_cnt).IgnoreError();
}

int bpf_arena_reserve_pages(void* map, void* ptr, uint32_t page_cnt) {
  Arena* arena = Bound(map);
  if (arena == nullptr) return -EINVAL;
  if (page_cnt == 0 || reinterpret_cast<uint64_t>(ptr) % arena->page_size() != 0) return 0;
  const absl::Status status = arena->ReservePages(FullAddress(*arena, ptr), page_cnt);
  if (absl::IsOutOfRange(status)) return -EINVAL;
  return Errno(status);
}

}  // extern "C"
