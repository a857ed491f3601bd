// parse_sentencepiece: the fields of ModelProto that encoding and decoding need; the rest is skipped.
// Source: sentencepiece_model.proto (field numbers and defaults).
#include "formats/tokenizer/sentencepiece_file.h"

#include <string>
#include <utility>

#include "formats/tokenizer/protobuf.h"
#include "formats/try.h"

namespace siskin {
namespace {

// TrainerSpec.ModelType
constexpr int32_t kUnigramModel = 1;
constexpr int32_t kBpeModel = 2;

struct TrainerSpec {
  int32_t model_type = kUnigramModel;
  bool byte_fallback = false;
  bool whitespace_as_suffix = false;
  TokenId unknown = 0;
  TokenId bos = 1;
  TokenId eos = 2;
};

struct NormalizerSpec {
  std::string_view charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

Error corrupt(const std::string& what) { return {ErrorCode::corrupt_file, "tokenizer.model: " + what}; }

// Calls on_field(field) -> Status for each field of a message.
template <class OnField>
Status for_each_field(std::string_view message, const OnField& on_field) {
  ProtoReader reader(message);
  while (true) {
    SISKIN_TRY(const std::optional<ProtoField> field, reader.next());
    if (!field) return {};
    SISKIN_TRY_STATUS(on_field(*field));
  }
}

Status set_bool(const ProtoField& field, bool& flag) {
  SISKIN_TRY(const int32_t value, field.int32());
  flag = value != 0;
  return {};
}

Status set_int(const ProtoField& field, int32_t& number) {
  SISKIN_TRY(number, field.int32());
  return {};
}

Result<Piece> parse_piece(std::string_view message) {
  Piece piece;
  SISKIN_TRY_STATUS(for_each_field(message, [&](const ProtoField& field) -> Status {
    if (field.number == 1) {
      SISKIN_TRY(piece.text, field.message());
    } else if (field.number == 2) {
      SISKIN_TRY(piece.score, field.float32());
    } else if (field.number == 3) {
      SISKIN_TRY(const int32_t type, field.int32());
      if (type < 1 || type > 6) return corrupt("a piece of type " + std::to_string(type) + ", expected 1 to 6");
      piece.type = static_cast<PieceType>(type);
    }
    return {};
  }));
  if (piece.text.empty()) return corrupt("a piece without text");
  return piece;
}

Status parse_trainer(std::string_view message, TrainerSpec& trainer) {
  return for_each_field(message, [&](const ProtoField& field) -> Status {
    switch (field.number) {
      case 3:
        return set_int(field, trainer.model_type);
      case 24:
        return set_bool(field, trainer.whitespace_as_suffix);
      case 35:
        return set_bool(field, trainer.byte_fallback);
      case 40:
        return set_int(field, trainer.unknown);
      case 41:
        return set_int(field, trainer.bos);
      case 42:
        return set_int(field, trainer.eos);
      default:
        return {};
    }
  });
}

Status parse_normalizer(std::string_view message, NormalizerSpec& normalizer) {
  return for_each_field(message, [&](const ProtoField& field) -> Status {
    switch (field.number) {
      case 2: {
        SISKIN_TRY(normalizer.charsmap, field.message());
        return {};
      }
      case 3:
        return set_bool(field, normalizer.add_dummy_prefix);
      case 4:
        return set_bool(field, normalizer.remove_extra_whitespaces);
      case 5:
        return set_bool(field, normalizer.escape_whitespaces);
      default:
        return {};
    }
  });
}

// Negative: the model has no such token. One past the end is an error.
Result<TokenId> checked_id(const char* name, TokenId id, size_t size) {
  if (id < 0) return kNoToken;
  if (static_cast<size_t>(id) < size) return id;
  return corrupt(std::string("trainer_spec.") + name + " is " + std::to_string(id) + ", expected less than " +
                 std::to_string(size));
}

Status apply_trainer(const TrainerSpec& trainer, TokenizerSpec& spec) {
  if (trainer.model_type != kUnigramModel && trainer.model_type != kBpeModel) {
    return Error{ErrorCode::unsupported,
                 "tokenizer.model: model type " + std::to_string(trainer.model_type) + ", supported: 1 (unigram), 2 (BPE)"};
  }
  if (trainer.whitespace_as_suffix) {
    return Error{ErrorCode::unsupported, "tokenizer.model: treat_whitespace_as_suffix"};
  }
  spec.segmenter = trainer.model_type == kBpeModel ? SegmenterKind::spm_bpe : SegmenterKind::unigram;
  spec.byte_fallback = trainer.byte_fallback;
  SISKIN_TRY(spec.unknown, checked_id("unk_id", trainer.unknown, spec.pieces.size()));
  SISKIN_TRY(spec.bos, checked_id("bos_id", trainer.bos, spec.pieces.size()));
  SISKIN_TRY(spec.eos, checked_id("eos_id", trainer.eos, spec.pieces.size()));
  spec.add_bos = spec.bos != kNoToken;
  return {};
}

Status apply_normalizer(const NormalizerSpec& normalizer, TokenizerSpec& spec) {
  std::vector<TextStep>& steps = spec.rules.steps;
  if (!normalizer.charsmap.empty()) {
    SISKIN_TRY(Charsmap map, Charsmap::parse(normalizer.charsmap));
    steps.emplace_back(std::move(map));
  }
  if (normalizer.remove_extra_whitespaces) steps.emplace_back(SqueezeSpacesStep{});
  if (normalizer.add_dummy_prefix) steps.emplace_back(PrependStep{" ", PrefixAt::after_control, false});
  if (normalizer.escape_whitespaces) steps.emplace_back(ReplaceStep{" ", std::string(kSpaceMark)});
  spec.drop_first_space = normalizer.add_dummy_prefix;
  return {};
}

}  // namespace

Result<TokenizerSpec> parse_sentencepiece(std::string_view bytes) {
  TokenizerSpec spec;
  TrainerSpec trainer;
  NormalizerSpec normalizer;
  SISKIN_TRY_STATUS(for_each_field(bytes, [&](const ProtoField& field) -> Status {
    if (field.number < 1 || field.number > 3) return {};
    SISKIN_TRY(const std::string_view message, field.message());
    if (field.number == 2) return parse_trainer(message, trainer);
    if (field.number == 3) return parse_normalizer(message, normalizer);
    if (spec.pieces.size() == kMaxPieces) return corrupt("more than " + std::to_string(kMaxPieces) + " pieces");
    SISKIN_TRY(Piece piece, parse_piece(message));
    spec.pieces.push_back(std::move(piece));
    return {};
  }));
  if (spec.pieces.empty()) return corrupt("no pieces");
  SISKIN_TRY_STATUS(apply_trainer(trainer, spec));
  SISKIN_TRY_STATUS(apply_normalizer(normalizer, spec));
  spec.specials = specials_of_pieces(spec.pieces);
  return spec;
}

}  // namespace siskin
