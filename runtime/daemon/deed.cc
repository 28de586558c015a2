// SPDX-License-Identifier: Apache-2.0
#include "daemon/deed.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "memory/backing.h"
#include "os/status.h"

namespace uarena {
namespace {

constexpr uint64_t kDeedMagic = 0x3164656564617261;  // "aradeed1"
constexpr char kDeedName[] = "uarena-deed";
constexpr int kDeedSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

struct DeedFile {
  uint64_t device;
  uint64_t inode;
  uint64_t bytes;
};

// The memfd's whole content.
struct DeedContent {
  uint64_t magic;
  ArenaId id;
  uint32_t owner_uid;
  uint32_t owner_gid;
  uint32_t mode;
  uint32_t page_shift;
  uint32_t huge;
  uint32_t segv_on_fault;
  uint32_t max_populate_pages;
  int32_t numa_node;
  uint64_t base;
  uint64_t max_pages;
  uint64_t quota_pages;
  DeedFile data;
  DeedFile control;
  char name[kArenaNameBytes];
};
static_assert(std::has_unique_object_representations_v<DeedContent>);

DeedFile ToFile(const sys::FileIdentity& identity) {
  return {identity.device, identity.inode, identity.bytes};
}

absl::Status NoDeed(const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("what was handed back as a deed is none: ", why));
}

}  // namespace

absl::StatusOr<UniqueFd> WriteDeed(const Deed& deed) {
  DeedContent content{};
  content.magic = kDeedMagic;
  content.id = deed.id;
  content.owner_uid = deed.ownership.uid;
  content.owner_gid = deed.ownership.gid;
  content.mode = deed.ownership.mode;
  const ArenaDescription& description = deed.description;
  content.page_shift = description.geometry.page_shift;
  content.huge = description.geometry.huge ? 1 : 0;
  content.segv_on_fault = description.segv_on_fault ? 1 : 0;
  content.max_populate_pages = description.max_populate_pages;
  content.numa_node = description.numa_node;
  content.base = description.geometry.base;
  content.max_pages = description.geometry.max_pages;
  content.quota_pages = description.quota_pages;
  content.data = ToFile(deed.data);
  content.control = ToFile(deed.control);
  WriteText(content.name, sizeof(content.name), description.name);
  UniqueFd fd(sys::MemfdCreate(kDeedName, false));
  if (!fd.valid()) return ErrnoStatus(fd.get(), "memfd_create of a deed");
  if (write(fd.get(), &content, sizeof(content)) != static_cast<ssize_t>(sizeof(content))) {
    return ErrnoStatus(errno, "writing a deed");
  }
  if (const int result = sys::AddSeals(fd.get(), kDeedSeals); result < 0) {
    return ErrnoStatus(result, "sealing a deed");
  }
  return fd;
}

absl::StatusOr<Deed> ReadDeed(int fd, uid_t maker) {
  // Seals first: only memfds have them, and only what is known to be one may be asked more, since a
  // file of a blocking file system would keep us waiting.
  const int seals = sys::GetSeals(fd);
  if (seals < 0) return NoDeed("not a memfd");
  if ((seals & kDeedSeals) != kDeedSeals) return NoDeed("not sealed");
  sys::FileIdentity identity;
  if (const int result = sys::Identify(fd, &identity); result < 0) {
    return ErrnoStatus(result, "fstat of a deed");
  }
  if (identity.owner_uid != maker) {
    return absl::PermissionDeniedError(
        absl::StrCat("the deed was made by user ", identity.owner_uid, ", not by ", maker,
                     ", the user of this daemon: an arena goes back only to a daemon of the user "
                     "that made it"));
  }
  char name[64];
  if (sys::DescribeFd(fd, name, sizeof(name)) < 0 || strstr(name, kDeedName) == nullptr) {
    return NoDeed("a memfd of another name");
  }
  DeedContent content;
  if (identity.bytes != sizeof(content) ||
      sys::Pread(fd, &content, sizeof(content), 0) != static_cast<int64_t>(sizeof(content)) ||
      content.magic != kDeedMagic) {
    return NoDeed("it has another content, or is of another version of uarenad");
  }
  Deed deed;
  deed.id = content.id;
  deed.ownership = {content.owner_uid, content.owner_gid, content.mode};
  ArenaDescription& description = deed.description;
  description.geometry = {content.base, content.max_pages, content.page_shift, content.huge != 0};
  description.segv_on_fault = content.segv_on_fault != 0;
  description.max_populate_pages = content.max_populate_pages;
  description.quota_pages = content.quota_pages;
  description.numa_node = content.numa_node;
  description.name = ReadText(content.name, sizeof(content.name));
  deed.data = {content.data.device, content.data.inode, content.data.bytes, maker};
  deed.control = {content.control.device, content.control.inode, content.control.bytes, maker};
  return deed;
}

absl::Status CheckDeeded(const char* what, int fd, const sys::FileIdentity& identity) {
  const absl::StatusOr<uint64_t> bytes = CheckBacking(fd);
  if (!bytes.ok()) return bytes.status();
  sys::FileIdentity found;
  if (const int result = sys::Identify(fd, &found); result < 0) return ErrnoStatus(result, what);
  const int flags = fcntl(fd, F_GETFL);
  if (found.device != identity.device || found.inode != identity.inode ||
      found.bytes != identity.bytes || found.owner_uid != identity.owner_uid || flags < 0 ||
      (flags & O_ACCMODE) != O_RDWR) {
    return absl::InvalidArgumentError(
        absl::StrCat("what was handed back as the arena's ", what, " is not what its deed names"));
  }
  return absl::OkStatus();
}

}  // namespace uarena
