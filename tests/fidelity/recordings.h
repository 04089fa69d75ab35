#pragma once
// What suppliers really sent: the recordings of ../shared/data/upstream-recordings, each put back on the wire as its
// dialect frames it, and read. Test data outside of the project; where it is not, what needs it is skipped.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/upstream.h"
#include "model/item.h"

namespace perdure::fidelity {

// The dialects of recordings; the last two are nobody's here, and are to be refused.
enum class Recorded { kChat, kResponses, kMessages, kConverse, kGemini, kInteractions, kCohere };
std::string_view name_of(Recorded dialect);

// One answer: a stream, event by event, or a whole. A file may hold several streams.
struct Recording {
  std::string name;  // of the file, below the folder
  Recorded dialect = Recorded::kChat;
  bool streamed = false;
  bool raw = false;                 // recorded with its framing: `events` holds all bytes in one
  std::vector<std::string> events;  // JSON; of a whole answer: one
  std::string bytes() const;        // on the wire
};

std::filesystem::path recordings_folder();
std::vector<Recording> load_recordings();

std::unique_ptr<UpstreamDialect> upstream_of(Recorded dialect);

// What a reader made of it.
struct Heard {
  std::vector<Piece> pieces;
  std::string error;  // empty: none
  Code code = Code::kInvalid;
  bool operator==(const Heard& other) const { return pieces == other.pieces && error == other.error; }
};
Heard hear(const UpstreamDialect& dialect, const Recording& recording);
Heard hear_stream(const UpstreamDialect& dialect, std::string_view bytes);
Heard hear_cut(const UpstreamDialect& dialect, std::string_view bytes, const std::vector<size_t>& cuts);

// The items, finish and usage that pieces become, as text.
std::string told_by(const Heard& heard);

// The whole answer as its dialect would have streamed it, written apart from the readers.
Recording as_stream(const Recording& whole);

}  // namespace perdure::fidelity
