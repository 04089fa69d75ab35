#pragma once
// What a reply says of the limits of its caller's API key, in the headers of the API that is spoken: OpenAI's
// x-ratelimit-*, Anthropic's anthropic-ratelimit-*. Inside the gateway only.

#include <string>
#include <utility>
#include <vector>

#include "access/rate.h"
#include "dialect/client_stream.h"

namespace perdure {

std::vector<std::pair<std::string, std::string>> rate_headers(ClientDialect dialect, const Admission& admission,
                                                              WallTime now);

}  // namespace perdure
