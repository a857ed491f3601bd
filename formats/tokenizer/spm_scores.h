// What the two forms of BPE have in common: merges by rank, as tokenizer.json lists them, and pieces by score, as SentencePiece
// does.
#pragma once

#include <vector>

#include "formats/tokenizer/model.h"

namespace siskin {

// Scores by which SentencePiece's BPE gives the ids that the ranked merges of `spec` do. It merges any two neighbours that are
// a piece together, best score first: so every way of cutting a piece into two must be a merge, and the ranks of one piece's
// merges must not enclose another's. Of pieces of marks alone, which Llama gives one score, only the result is asked to be the
// same, for runs up to the longest piece; longer runs of spaces may be cut at other places. Errors: unsupported where they do
// not.
Result<std::vector<double>> scores_of_merges(const TokenizerSpec& spec);

// Whether the merges make every normal piece from its bytes.
Result<bool> merges_reach_all_pieces(const TokenizerSpec& spec);

}  // namespace siskin
