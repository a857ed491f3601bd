// Streaming text: characters arrive whole, stop texts never show.

#include <catch2/catch.hpp>

#include "engine/text_stream.h"

namespace siskin {

TEST_CASE("a character split over tokens appears when it is whole", "[stream]") {
  TextStream stream({});
  CHECK(stream.push("a\xe2") == "a");
  CHECK(stream.push("\x82") == "");
  CHECK(stream.push("\xac!") == "\xe2\x82\xac!");
  stream.push("\xf0\x9f");
  stream.finish();
  CHECK(stream.text() == "a\xe2\x82\xac!\xf0\x9f");
}

TEST_CASE("a stop text is held back, found across tokens, and not shown", "[stream]") {
  TextStream stream({"\n\nUser:", "END"});
  CHECK(stream.push("one\n") == "one");
  CHECK(stream.push("two E") == "\ntwo ");
  CHECK(stream.push("Nough \n\nUs") == "ENough ");
  CHECK(stream.push("er: more") == "");
  CHECK(stream.stopped());
  CHECK(stream.push("later") == "");
  stream.finish();
  CHECK(stream.text() == "one\ntwo ENough ");
}

}  // namespace siskin
