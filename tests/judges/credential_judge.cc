// What service accounts prove themselves with, as a filter, for comparison with other people's implementations
// (test_google_credential.py): a JSON object a line in, the answer as a JSON object a line out.

#include <cstdio>
#include <iostream>
#include <string>

#include "provider/google_credential.h"
#include "wire/json.h"

namespace perdure {
namespace {

void answer(json::Value value, json::Writer& out) {
  auto account = read_google_service_account(std::string(value["key_file"].text()));
  if (!account.ok()) return void(out.field("error", account.error().message));
  const WallTime now(std::chrono::milliseconds(value["now_ms"].integer().value_or(0)));
  auto assertion = google_assertion(*account, value["scope"].text(), now);
  assertion.ok() ? void(out.field("assertion", *assertion)) : void(out.field("error", assertion.error().message));
}

}  // namespace
}  // namespace perdure

int main() {
  using namespace perdure;
  for (std::string line; std::getline(std::cin, line);) {
    auto document = json::Document::parse(std::move(line));
    if (!document.ok()) {
      std::fprintf(stderr, "credential_judge: %s\n", document.error().message.c_str());
      return 1;
    }
    json::Writer out;
    out.begin_object();
    answer(document->root(), out);
    std::cout << out.end_object().take() << '\n';
  }
  return 0;
}
