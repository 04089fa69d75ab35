#include "http/content_decoding.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "http/message.h"

namespace perdure {
namespace {

Error not_of(std::string_view encoding) { return {Code::kInvalid, "the body is not valid " + std::string(encoding)}; }
Error cut_short(std::string_view encoding) {
  return {Code::kInvalid, "the " + std::string(encoding) + " body ends early"};
}
Error too_large() { return {Code::kOverloaded, "the decoded body is too large"}; }

constexpr size_t kPieceBytes = 32 << 10;

class GzipDecoder final : public ContentDecoder {
 public:
  GzipDecoder() { CHECK(::inflateInit2(&stream_, 15 + 16) == Z_OK, "inflateInit2"); }
  ~GzipDecoder() override { ::inflateEnd(&stream_); }
  Result<void> put(std::string_view bytes, std::string& into, size_t size_max) override {
    std::array<char, kPieceBytes> piece;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    for (;;) {
      if (whole_) {
        if (stream_.avail_in == 0) return {};
        // Members may follow one another (RFC 1952, 2.2).
        ::inflateReset(&stream_);
        whole_ = false;
      }
      stream_.next_out = reinterpret_cast<Bytef*>(piece.data());
      stream_.avail_out = static_cast<uInt>(piece.size());
      int status = ::inflate(&stream_, Z_NO_FLUSH);
      if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) return not_of("gzip");
      size_t n = piece.size() - stream_.avail_out;
      if (n > size_max - std::min(size_max, into.size())) return too_large();
      into.append(piece.data(), n);
      started_ = true;
      if (status == Z_STREAM_END)
        whole_ = true;
      else if (stream_.avail_in == 0 && n < piece.size())
        return {};
    }
  }
  Result<void> end() override {
    if (started_ && !whole_) return cut_short("gzip");
    return {};
  }

 private:
  z_stream stream_{};
  bool whole_ = false, started_ = false;
};

class ZstdDecoder final : public ContentDecoder {
 public:
  ZstdDecoder() : stream_(ZSTD_createDCtx()) {
    CHECK(stream_ != nullptr, "ZSTD_createDCtx");
    // 8 MiB, what RFC 9659 allows over HTTP: it bounds what one request can make the decoder allocate.
    ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, 23);
  }
  ~ZstdDecoder() override { ZSTD_freeDCtx(stream_); }
  Result<void> put(std::string_view bytes, std::string& into, size_t size_max) override {
    std::array<char, kPieceBytes> piece;
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{piece.data(), piece.size(), 0};
      size_t status = ZSTD_decompressStream(stream_, &out, &in);
      if (ZSTD_isError(status) != 0) return not_of("zstd");
      if (out.pos > size_max - std::min(size_max, into.size())) return too_large();
      into.append(piece.data(), out.pos);
      whole_ = status == 0;
      if (in.pos == in.size && out.pos < out.size) return {};
    }
  }
  Result<void> end() override {
    if (!whole_) return cut_short("zstd");
    return {};
  }

 private:
  ZSTD_DCtx* stream_;
  bool whole_ = true;
};

}  // namespace

Result<std::unique_ptr<ContentDecoder>> make_content_decoder(std::string_view encoding) {
  if (encoding.empty() || equal_ignoring_case(encoding, "identity")) return std::unique_ptr<ContentDecoder>();
  if (equal_ignoring_case(encoding, "gzip") || equal_ignoring_case(encoding, "x-gzip"))
    return std::unique_ptr<ContentDecoder>(std::make_unique<GzipDecoder>());
  if (equal_ignoring_case(encoding, "zstd")) return std::unique_ptr<ContentDecoder>(std::make_unique<ZstdDecoder>());
  return Error{Code::kInvalid, "the only content encodings understood are gzip and zstd"};
}

}  // namespace perdure
