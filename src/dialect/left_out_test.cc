// What no dialect but one can say is refused by name in all the others, or left out and named.

#include "dialect/left_out.h"

#include <gtest/gtest.h>

#include "dialect/chat_upstream.h"
#include "dialect/converse_upstream.h"
#include "dialect/gemini_upstream.h"
#include "dialect/messages_upstream.h"
#include "dialect/responses_upstream.h"

namespace perdure {
namespace {

TEST(LeftOut, NamesOfParticipantsAreChatsAlone) {
  Request request{.model = "m", .dialect = ClientDialect::kChat};
  request.input = {{.role = Role::kUser, .name = "ann", .content = {{.text = "hi"}}}};
  const UpstreamAsk ask{.request = request, .context = request.input, .model = "m"};
  auto chat = chat_upstream({})->write(ask);
  ASSERT_TRUE(chat.ok());
  EXPECT_NE(chat->body.find(R"("name":"ann")"), std::string::npos);
  std::unique_ptr<UpstreamDialect> others[] = {responses_upstream(), messages_upstream(), converse_upstream(),
                                               gemini_upstream()};
  for (const auto& dialect : others) {
    request.lenient = false;
    auto refused = dialect->write(ask);
    ASSERT_FALSE(refused.ok()) << dialect->name();
    EXPECT_EQ(refused.error().param, "input[0].name") << dialect->name();
    EXPECT_EQ(refused.error().reason, "unsupported_parameter");
    request.lenient = true;
    auto lenient = dialect->write(ask);
    ASSERT_TRUE(lenient.ok()) << dialect->name() << lenient.error().message;
    EXPECT_EQ(lenient->dropped, std::vector<std::string>{"input[0].name"}) << dialect->name();
    EXPECT_EQ(lenient->body.find("ann"), std::string::npos);
  }
}

TEST(LeftOut, FieldsAreNamedOnce) {
  LeftOut left_out(true);
  EXPECT_TRUE(left_out.refuse("seed").ok());
  EXPECT_TRUE(left_out.refuse("seed").ok());
  EXPECT_EQ(left_out.take(), std::vector<std::string>{"seed"});
}

TEST(LeftOut, ItemsAreCountedFromTheRequestsOwnInput) {
  Request request{.model = "m", .input = {{.role = Role::kUser}}};
  const std::vector<Item> context(3);
  const UpstreamAsk ask{.request = request, .context = context, .model = "m"};
  request.previous_response_id = "resp_1";
  EXPECT_EQ(context_param(ask, 1), "previous_response_id");
  EXPECT_EQ(context_param(ask, 2), "input[0]");
  request.previous_response_id.clear();
  request.conversation = "conv_1";
  EXPECT_EQ(context_param(ask, 1), "conversation");
}

}  // namespace
}  // namespace perdure
