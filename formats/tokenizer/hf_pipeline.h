// The parts of a tokenizer.json around its model: normalizer, pre_tokenizer, decoder and post_processor.
#pragma once

#include "formats/tokenizer/json_fields.h"
#include "formats/tokenizer/model.h"

namespace siskin {

// Fills spec.rules, spec.split_patterns, spec.written and spec.drop_first_space. Errors: corrupt_file; unsupported (a step that
// is not built, named).
Status read_text_pipeline(const JsonView& root, TokenizerSpec& spec);

// Fills spec.bos, spec.eos, spec.add_bos and spec.add_eos from the template. Errors: corrupt_file; unsupported (a template
// that puts more than one token on a side). False: there is no post_processor.
Result<bool> read_post_processor(const JsonView& root, TokenizerSpec& spec);

}  // namespace siskin
