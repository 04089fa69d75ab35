#include <cstdio>

#include "cli/blocking_loop.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "session/key_ring.h"
#include "store/verify.h"
#include "wire/json.h"

namespace perdure::cli {
namespace {

Task<Result<VerifyReport>> check(Store& store, Key256 head_key, KeyRing& keys) {
  KeyOf key_of = [&keys](const SessionRow& row) { return keys.open(row); };
  Task<Result<VerifyReport>> verified = verify(store, head_key, std::move(key_of));
  co_return co_await std::move(verified);
}

int report(const VerifyReport& found, bool as_json) {
  if (as_json) {
    json::Writer out;
    out.begin_object()
        .field("holds", found.holds())
        .field("totals_compared", found.totals_compared)
        .field("sessions", static_cast<int64_t>(found.sessions))
        .field("records", static_cast<int64_t>(found.records))
        .field("erased_records", static_cast<int64_t>(found.erased_records))
        .field("forks", static_cast<int64_t>(found.forks))
        .field("blobs", static_cast<int64_t>(found.blobs))
        .field("problem_count", static_cast<int64_t>(found.problem_count))
        .key("problems")
        .begin_array();
    for (const std::string& problem : found.problems) out.string(problem);
    out.end_array().end_object();
    print(out.text() + "\n");
  } else {
    for (const std::string& problem : found.problems) print("problem: " + problem + "\n");
    if (found.problem_count > found.problems.size())
      print("and " + std::to_string(found.problem_count - found.problems.size()) + " more\n");
    print("journal verify: " + std::to_string(found.sessions) + " sessions, " + std::to_string(found.records) +
          " records (" + std::to_string(found.erased_records) + " erased), " + std::to_string(found.blobs) +
          " blobs, " + std::to_string(found.problem_count) + " problems" +
          (found.totals_compared ? "" : "; totals not compared: it was written meanwhile") + "\n");
  }
  return found.holds() ? kOk : kProblems;
}

}  // namespace

Command journal_command(OpenStore open_store) {
  auto run = [open_store](const Options& options) {
    if (options.words.size() != 1 || options.words[0] != "verify")
      return complain_usage("journal needs the word verify", "journal");
    Result<OpenedStore> opened = open_store(options);
    if (!opened.ok()) return complain(opened.error());
    BlockingLoop worker;
    KeyRing keys(opened->master, *opened->store, system_random());
    Result<VerifyReport> found = worker.run(check(*opened->store, opened->head_key, keys));
    if (!found.ok()) return complain(found.error());
    return report(*found, options.has("json"));
  };
  return {
      .name = "journal",
      .words = "verify",
      .summary = "checks every session's journal, read-only, whether or not a server runs",
      .options = {{"data", "DIR", "the server's data folder"},
                  {"config", "FILE", "the server's configuration, which names the data folder and the master key"},
                  {"json", "", "as JSON"}},
      .details =
          "  perdure journal verify\n"
          "  perdure journal verify --data /var/lib/perdure --json\n"
          "\n"
          "Reads all records, recomputes every hash chain and the total over all sessions. It finds altered bytes,\n"
          "exchanged, missing and added records, and missing sessions. It does not find that the whole file is an\n"
          "older copy. Beside a running server it checks one moment of the store. Exit code 6: there are problems.\n",
      .run = run};
}

}  // namespace perdure::cli
