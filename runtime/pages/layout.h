// SPDX-License-Identifier: Apache-2.0
//
// What lies where in the control memfd. Everything here is shared with other processes, possibly of
// another build, so it is plain atomics at fixed offsets; the header's version changes with it.
//
// Words are 64 bits: the value in the low 32, the number of the transaction that wrote it in the
// high 32 (see "Transactions" in runtime/README.md). They are named by index from the first word.
//
// What is indexed by page is kept small, since the first touch of each page of control memory is
// a fault of its own: 0.5 bytes for the free ranges' index and 2 for the state. What describes a
// free range lies in a pool that grows with the number of ranges, not with the size of the arena.
// The heap's parts are only touched for pages that the heap has.
#ifndef UARENA_PAGES_LAYOUT_H_
#define UARENA_PAGES_LAYOUT_H_

#include <atomic>
#include <cstdint>

namespace uarena {

inline constexpr uint64_t kControlMagic = 0x31616e6572617561;  // "auarena1"
inline constexpr uint32_t kLayoutVersion = 3;

inline constexpr uint32_t kMaxProcesses = 1024;
inline constexpr uint32_t kMaxOperations = 4096;  // record 0 is never used: 0 means none
inline constexpr uint32_t kMaxWrites = 96;
inline constexpr uint32_t kMaxRoots = 1024;
inline constexpr uint32_t kRootNameBytes = 64;
inline constexpr uint32_t kMaxKeptRanges = 64;  // of a process
inline constexpr int kMaxLevels = 7;            // 32^7 > 2^32

using Word = std::atomic<uint64_t>;
static_assert(Word::is_always_lock_free);

inline uint32_t WordValue(uint64_t word) { return static_cast<uint32_t>(word); }
inline uint32_t WordVersion(uint64_t word) { return static_cast<uint32_t>(word >> 32); }
inline uint64_t MakeWord(uint32_t value, uint32_t version) {
  return uint64_t{version} << 32 | value;
}

enum ArenaFlags : uint32_t {
  kFlagHuge = 1,
  kFlagSegvOnFault = 2,
};

struct alignas(64) ControlHeader {
  std::atomic<uint64_t> magic;  // written last
  uint32_t version;
  uint32_t flags;
  uint64_t base;
  uint64_t max_pages;
  uint64_t quota_pages;
  uint32_t page_shift;
  uint32_t max_populate_pages;
  int32_t numa_node;
  char name[64];
  // Records from here on have never been used; keeps scans short.
  std::atomic<uint32_t> process_high;
  std::atomic<uint32_t> operation_high;
  std::atomic<uint32_t> cache_high;
  // Not 0 once a free page may hold memory: one that was populated ahead and given back, or any
  // page if some process has no userfaultfd. Such pages can be touched without anybody being told.
  std::atomic<uint32_t> free_pages_hold_memory;
  // Touches being resolved. Until one is done, a page that it maps may be freed by somebody else
  // first, and then be such a page. A toucher that was killed stays counted, which costs time and
  // nothing else.
  std::atomic<uint32_t> touches_in_flight;
  // Not 0 once the daemon has forgotten the arena's name: then it is not handed back to the next
  // one.
  std::atomic<uint32_t> nameless;
  // The newest transaction: number << 13 | pending << 12 | operation.
  alignas(64) std::atomic<uint64_t> head;
};
static_assert(sizeof(ControlHeader) <= 4096);

// Counters, the first words. Pages that are in none of the first four are allocated.
enum CounterWord : uint32_t {
  kWordFree = 0,  // pages in free ranges
  kWordReserved,
  kWordAhead,
  kWordKept,       // to which the operations' kept_delta must be added
  kWordNodesUsed,  // of the pool, ever
  kWordFreeNode,   // the first of the list of nodes that are not used now; 0: none
  kWordSpansUsed,  // of the heap's span table, ever
  kWordFreeSpan,   // the first of the list of spans that are not used now; 0: none
  kCounterWords = 16,
};

// What an operation means to do, so that it can be completed or undone without its process.
enum class IntentKind : uint32_t {
  kNone = 0,
  kAllocate,  // undo
  kReserve,   // undo
  kTouch,     // complete
  kFree,      // complete from the cursor on
  kConvert,   // complete: one page becomes allocated; the cursor holds what it was
  kKeep,      // phase 0: free instead; 1: complete
  kTakeKept,  // phase 0: give back; 1: undo
  kFreeRun,   // complete: pages ALLOCATED under the operation's number are drained, then as kFree
};
// The kind word also holds how far the operation is.
inline constexpr uint32_t kIntentKindBits = 8;
inline uint32_t PackIntent(IntentKind kind, uint32_t phase) {
  return static_cast<uint32_t>(kind) | phase << kIntentKindBits;
}
inline IntentKind KindOf(uint32_t packed) {
  return static_cast<IntentKind>(packed & ((1u << kIntentKindBits) - 1));
}
inline uint32_t PhaseOf(uint32_t packed) { return packed >> kIntentKindBits; }

// Words of an operation's intent.
enum IntentWord : uint32_t {
  kIntentKind = 0,
  kIntentFirst,
  kIntentCount,
  kIntentCursor,
  kIntentWanted,     // kAllocate, kTouch: how many of the pages, from the first on, were asked for;
                     // kKeep, kTakeKept: the operation's kept_delta before; kConvert: the evidence
  kIntentWords = 8,  // a cache line
};

// Words of a root. One that has a builder is being constructed, and has no offset yet.
inline constexpr uint32_t kRootTypeBytes = 200;
enum RootWord : uint32_t {
  kRootName = 0,                        // 16 words of 4 bytes
  kRootOffsetLow = kRootNameBytes / 4,  // byte offset in the arena plus 1; 0: unused
  kRootOffsetHigh,
  kRootBuilder,      // the heap's cache apart in which it is being constructed; 0: it is not
  kRootTypeVersion,  // of a root without a type, these are 0
  kRootTypeSizeLow,
  kRootTypeSizeHigh,
  kRootTypeName,  // 50 words of 4 bytes
  kRootWords = kRootTypeName + kRootTypeBytes / 4,
};
static_assert(kRootWords < kMaxWrites);

// Words of a node, which describes a free range. Nodes are numbered from 1; 0 is none.
enum NodeWord : uint32_t {
  kNodeStart = 0,
  kNodeSize,
  kNodePrev,       // among the ranges of one size, newest first; 0: the head
  kNodeNext,       // or the next node that is not used
  kNodeBlockNext,  // among those that start in one block
  kNodeSizeNext,   // of a head: among the heads of one size class
  kNodeWords = 8,  // a cache line
};

// Free ranges are found by the block of pages in which they start, and by the class of their size.
inline constexpr uint64_t kBlockPages = 16;
inline constexpr uint64_t kExactSizes = 4096;  // below, each size is a class of its own
inline constexpr uint64_t kClassSizes = 64;    // sizes in each class above
inline uint64_t SizeClass(uint64_t size) {
  return size < kExactSizes ? size : kExactSizes + (size - kExactSizes) / kClassSizes;
}

// Words of a span, a run of pages that the heap has. Spans are numbered from 1; 0 is none. The heap
// is described in runtime/heap/span_table.h; here is only where it lies.
enum SpanWord : uint32_t {
  kSpanState = 0,  // whose, of what kind, of which size class
  kSpanFirst,      // page
  kSpanCount,      // of pages
  kSpanNext,       // in the list of its class that nobody owns, or of spans that are not used
  kSpanRemote,     // never in a transaction: where others have freed blocks; see heap/blocks.h
  kSpanWords = 8,  // a cache line
};
inline constexpr uint32_t kHeapClasses = 128;  // lists of spans that nobody owns, by size class
// What the table of caches says of each: its process's slot + 1, and whether what it owns is thrown
// away should the process die, since an object is under construction there.
inline constexpr uint32_t kCacheApart = 1u << 31;
inline uint32_t CacheOwner(uint32_t record) { return record & ~kCacheApart; }
inline constexpr uint32_t kMaxHeapCaches = 65'536;  // cache 0 is nobody's
// The smallest block is 16 bytes, so 4 KiB have 256 bits: 4 words of 64.
inline constexpr uint32_t kGranuleShift = 12;
inline constexpr uint32_t kGranuleBitWords = 4;

// What only a span's owner writes, and what can be computed from its blocks' bits: hints.
struct alignas(64) SpanHints {
  std::atomic<uint64_t> summary;      // bit i: group i of words of free bits may have one set
  std::atomic<uint32_t> free_blocks;  // as far as the owner knows, while it is in a list
  std::atomic<uint32_t> place;        // in which of its owner's lists
  std::atomic<uint32_t> next;         // there
  std::atomic<uint32_t> prev;
};

struct TransactionWrite {
  std::atomic<uint64_t> index;
  std::atomic<uint64_t> value;
};

struct alignas(64) OperationRecord {
  std::atomic<uint32_t> owner;  // process slot + 1; 0: free
  std::atomic<uint32_t> writes_used;
  // Pages that calls with this record have made KEPT less those that they have taken: what a
  // counter that all processes share would cost them is a cache line that all processes write.
  std::atomic<uint32_t> kept_delta;
  TransactionWrite writes[kMaxWrites];
};

struct alignas(64) ProcessRecord {
  std::atomic<uint32_t> state;  // 0 free, 1 attached
  std::atomic<uint32_t> pid;    // to show; never to decide
  std::atomic<uint32_t> mode;   // FaultMode
  // Which of the processes that have had this slot, and will: counts on when one attaches and when
  // a dead one is recovered. See OwnerId.
  std::atomic<uint32_t> generation;
  std::atomic<uint64_t> faults;
  std::atomic<uint64_t> pages_populated;
  std::atomic<uint64_t> resolve_ns;
  std::atomic<uint64_t> batch_pages[16];
  std::atomic<uint64_t> resolve_ns_log2[32];
  // Ranges of pages that the process keeps: count << 32 | first; 0: none. Hints for itself, and
  // for whoever recovers it; what holds is the pages' states.
  std::atomic<uint64_t> kept[kMaxKeptRanges];
};

// Kinds of a page's 16-bit state. The high 12 bits hold the operation that put the page into that
// state; it is what lets an operation, or its recovery, undo its own work and nobody else's.
enum class PageKind : uint16_t {
  kFree = 0,
  kAllocated,
  kReserved,
  kAhead,
  kKept,
  kClaimed,            // on its way to one of the four above
  kDrainingAllocated,  // being freed; what it was decides which counter shrinks
  kDrainingReserved,
  kDrainingAhead,
  kDrainingKept,
};
inline uint16_t PackState(PageKind kind, uint32_t operation = 0) {
  return static_cast<uint16_t>(static_cast<uint32_t>(kind) | operation << 4);
}
inline PageKind StateKind(uint16_t state) { return static_cast<PageKind>(state & 15); }
inline uint32_t StateOperation(uint16_t state) { return state >> 4; }
// In none of the free ranges, and in nobody's hands.
inline bool IsSettled(PageKind kind) {
  return kind >= PageKind::kAllocated && kind <= PageKind::kKept;
}
inline bool IsDraining(PageKind kind) {
  return kind >= PageKind::kDrainingAllocated && kind <= PageKind::kDrainingKept;
}
inline PageKind DrainingOf(PageKind kind) {
  return static_cast<PageKind>(static_cast<uint16_t>(kind) + 5);
}
inline PageKind DrainedFrom(PageKind kind) {
  return static_cast<PageKind>(static_cast<uint16_t>(kind) - 5);
}
using PageState = std::atomic<uint16_t>;

// A bitmap of `bits` bits in words of 32, with a summary level above each level until one word is
// left: bit i of level k+1 says whether word i of level k is not zero.
struct BitmapLayout {
  int levels = 0;
  uint64_t first_word[kMaxLevels] = {};
};

// Byte offsets and word indexes, computed from the arena's geometry alone.
struct Layout {
  Layout(uint64_t max_pages, uint32_t page_shift);

  uint64_t intents;  // word indexes
  uint64_t roots;
  BitmapLayout classes;  // size classes that have a range
  BitmapLayout blocks;   // blocks in which a range starts
  uint64_t class_heads;  // the first head of each size class
  uint64_t block_heads;  // the first node of each block
  uint64_t nodes;        // node 0 is never used
  uint64_t word_count;
  uint64_t class_count;
  uint64_t block_count;
  uint64_t node_count;  // ranges cannot touch, so half the pages is enough
  uint64_t heap_lists;  // the first span of each class that nobody owns
  uint64_t spans;       // span 0 is never used
  uint64_t span_count;

  uint64_t processes_offset;  // bytes from the start of the control memfd
  uint64_t operations_offset;
  uint64_t words_offset;
  uint64_t states_offset;
  uint64_t span_hints_offset;
  uint64_t span_map_offset;     // of each page: the span that it is in, or was
  uint64_t free_bits_offset;    // of each block of 16 bytes: set by its span's owner
  uint64_t remote_bits_offset;  // the same, set by others
  uint64_t caches_offset;       // of each cache: process slot + 1, or 0; see heap/span_table.h
  uint64_t locks_offset;        // bytes that are only ever locked
  uint64_t total_bytes;
};

}  // namespace uarena

#endif  // UARENA_PAGES_LAYOUT_H_
