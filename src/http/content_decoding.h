#pragma once
// ContentDecoder: a request's body without its Content-Encoding, piece by piece, never more than a limit. A few bytes
// can decode to gigabytes: the limit is kept while decoding, not afterwards.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace perdure {

class ContentDecoder {
 public:
  virtual ~ContentDecoder() = default;
  // Appends what `bytes` decode to. kInvalid: not of this encoding. kOverloaded: `into` would grow beyond `size_max`.
  virtual Result<void> put(std::string_view bytes, std::string& into, size_t size_max) = 0;
  // kInvalid: the encoded body ended early.
  virtual Result<void> end() = 0;
};

// Null for "" and "identity" (nothing to decode); kInvalid for an encoding other than gzip and zstd.
Result<std::unique_ptr<ContentDecoder>> make_content_decoder(std::string_view encoding);

}  // namespace perdure
