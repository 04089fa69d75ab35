#pragma once
// MessageParser: one HTTP/1.1 message from bytes, for the server (requests) and the client (answers). Sans-I/O: the
// caller shows it what has arrived, it says how much it took. Cutting the bytes anywhere changes nothing.
//
// Strict where leniency lets two parties disagree about where a message ends (RFC 9112, 11.2): bare CR or LF, folded
// lines, white space before a colon, Content-Length beside Transfer-Encoding, any Transfer-Encoding other than chunked,
// several Content-Length values. Trailer fields are checked and dropped.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace perdure {

struct MessageHead {
  std::string method, target;  // of a request
  int status = 0;              // of an answer
  bool http_1_0 = false;
  Headers headers;
  bool keep_alive = false;
  bool chunked = false;
  std::optional<uint64_t> content_length;
  bool until_close = false;  // an answer whose body ends with the connection
};

class MessageParser {
 public:
  enum class Kind {
    kRequest,
    kAnswer,
    kAnswerWithoutBody,  // to HEAD, or to CONNECT
  };
  enum class State { kHead, kBody, kDone, kFailed };

  MessageParser(Kind kind, size_t header_bytes_max);
  ~MessageParser();

  // Takes bytes from the front of `input` and appends decoded body bytes to `body`; how many were taken. Bytes not
  // taken are shown again, with more behind them. Stops behind the head, so that the caller may judge it before the
  // body.
  size_t put(std::string_view input, std::string& body);
  // The peer has ended its side: completes a body that lasts until then, fails anything else that is incomplete.
  void put_end();

  State state() const;
  bool touched() const;  // a byte of the message has been seen
  MessageHead& head();   // complete from kBody on; what was read so far when failed
  // When failed: the HTTP status that says why (400, 414, 431, 501, 505), and a sentence.
  int refusal() const;
  std::string_view problem() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace perdure
