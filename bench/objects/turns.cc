// SPDX-License-Identifier: Apache-2.0
#include "bench/objects/turns.h"

#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/support/clock.h"

namespace uarena::bench {
namespace {

// A contender that is measured, and where its numbers go.
struct Player {
  Contender* contender;
  Outcome* outcome;
};

void PlaySlice(const Player& player, uint64_t slice) {
  const int64_t start = NowNs();
  const uint64_t wrong = player.contender->RunSlice(slice);
  const uint32_t sample = SampleNs(NowNs() - start);
  player.outcome->samples.Append({&sample, 1});
  player.outcome->samples.AddWrongPages(wrong);
}

absl::Status Play(const std::vector<Player>& players, uint64_t slices) {
  for (const Player& player : players) player.contender->RunSlice(slices - 1);  // warms up
  for (uint64_t slice = 0; slice < slices; ++slice) {
    for (size_t i = 0; i < players.size(); ++i) {
      PlaySlice(players[slice % 2 == 0 ? i : players.size() - 1 - i], slice);
    }
  }
  for (const Player& player : players) {
    const uint64_t wrong = player.outcome->samples.wrong_pages();
    if (wrong != 0) {
      return absl::DataLossError(
          absl::StrCat(wrong, " results of ", player.contender->name(), " were wrong"));
    }
  }
  return absl::OkStatus();
}

absl::Status Repetition(const Turns& turns, const std::vector<bool>& measured, uint64_t seed,
                        std::span<Outcome* const> outcomes) {
  std::vector<Player> players;
  absl::Status status;
  for (size_t i = 0; i < turns.contenders.size() && status.ok(); ++i) {
    if (!measured[i]) continue;
    status = turns.contenders[i]->SetUp(seed);
    players.push_back({turns.contenders[i].get(), outcomes[i]});
  }
  if (status.ok()) status = Play(players, turns.slices);
  for (const Player& player : players) player.contender->TearDown();
  return status;
}

}  // namespace

Measurement MeasureInTurns(Turns turns) {
  Measurement measurement = {.rows = {},
                             .units_per_sample = turns.units_per_slice,
                             .max_samples = turns.slices,
                             .run = nullptr};
  std::vector<bool> measured;
  for (const auto& contender : turns.contenders) {
    Row row = {.workload = turns.name, .title = turns.title, .subject = contender->name()};
    row.skipped = std::string(contender->CheckAvailable().message());
    measured.push_back(row.skipped.empty());
    measurement.rows.push_back(std::move(row));
  }
  measurement.run = [shared = std::make_shared<Turns>(std::move(turns)),
                     measured = std::move(measured)](uint64_t seed,
                                                     std::span<Outcome* const> outcomes) {
    return Repetition(*shared, measured, seed, outcomes);
  };
  return measurement;
}

}  // namespace uarena::bench
