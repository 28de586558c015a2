// SPDX-License-Identifier: Apache-2.0
//
// Prints what was indexed and what each process did.
#ifndef UARENA_EXAMPLES_WORD_INDEX_REPORT_H_
#define UARENA_EXAMPLES_WORD_INDEX_REPORT_H_

#include "table.h"

namespace word_index {

// Files, words, the most frequent words.
void PrintTable(const Table& table);

// The line that explains PrintParticipant's columns, and a participant that has finished.
void PrintParticipantHeading();
void PrintParticipant(const Participant& participant);

}  // namespace word_index

#endif  // UARENA_EXAMPLES_WORD_INDEX_REPORT_H_
