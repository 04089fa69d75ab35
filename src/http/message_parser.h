#pragma once
// MessageParser: one HTTP/1.1 message from bytes, for the server (requests) and the client (answers). Sans-I/O: the
// caller shows it what has arrived, it says how much it took. Cutting the bytes anywhere changes nothing.
//
// Boost.Beast's parser reads them; what is added here is the limits, and strictness where leniency lets two parties
// disagree about where a message ends (RFC 9112, 11.2): folded lines, Content-Length beside Transfer-Encoding, any
// Transfer-Encoding other than chunked, several Content-Length fields or values, framing fields in a trailer. Trailer
// fields are checked and dropped. An answer's line may end behind its status, without the space.

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
  void clear();              // keeps the room
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
  // Forgets everything, for the next message of a connection.
  void restart(Kind kind);

  // Takes bytes from the front of `input` and appends decoded body bytes to `body`; how many were taken. Bytes not
  // taken are shown again, with more behind them. Stops behind the head, so that the caller may judge it before the
  // body.
  size_t put(std::string_view input, std::string& body);
  // The peer has ended its side: completes a body that lasts until then, fails anything else that is incomplete.
  void put_end();

  State state() const { return state_; }
  bool touched() const { return touched_; }  // a byte of the message has been seen
  MessageHead& head() { return head_; }      // complete from kBody on; what was read so far when failed
  // When failed: the HTTP status that says why (400, 414, 431, 501, 505), and a sentence.
  int refusal() const { return refusal_; }
  std::string_view problem() const { return problem_; }

 private:
  struct Codec;  // Beast's

  size_t put_head(std::string_view input);
  size_t put_body(std::string_view input, std::string& body);
  void start_line(std::string_view line);
  void fields(std::string_view lines);
  void fail(int status, std::string_view why);

  std::unique_ptr<Codec> codec_;
  Kind kind_;
  State state_ = State::kHead;
  bool touched_ = false;
  bool started_ = false;     // the start line is read
  uint8_t empty_lines_ = 0;  // ahead of a request
  size_t header_bytes_max_;
  size_t scanned_ = 0;     // of the input: no end of a line that was not looked at
  size_t line_first_ = 0;  // of the input: where the line begins that is looked for
  size_t head_bytes_ = 0;  // taken
  MessageHead head_;
  int refusal_ = 0;
  std::string_view problem_;  // a literal
};

}  // namespace perdure
