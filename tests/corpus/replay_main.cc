// Runs a fuzz driver without libFuzzer.
//
//   DRIVER FOLDER...                              every file, as a test: what was once of interest stays so
//   DRIVER --mutate N --seconds S --seed K FOLDER...   and N inputs made of them by chance, or as many as S seconds
//   allow
//
// The second form is a poor relation of libFuzzer: it does not look at what an input reaches. It needs no build of its
// own, and the same seed makes the same inputs. An input that kills the driver is left in DRIVER.killer.

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

constexpr size_t kInputMax = 64 << 10;

std::string current, killer_file;
uint64_t current_number = 0;

void leave_killer() {
  if (FILE* out = std::fopen(killer_file.c_str(), "wb")) {
    std::fwrite(current.data(), 1, current.size(), out);
    std::fclose(out);
  }
  std::fprintf(stderr, "input %llu killed it; it is in %s\n", static_cast<unsigned long long>(current_number),
               killer_file.c_str());
}

void on_abort(int signal) {
  std::signal(signal, SIG_DFL);
  leave_killer();
  std::raise(signal);
}

void run(std::string input) {
  current = std::move(input);
  ++current_number;
  // A copy of exactly that size, so that a read beyond it is noticed.
  std::vector<uint8_t> exact(current.begin(), current.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

class Mutator {
 public:
  Mutator(std::vector<std::string> corpus, uint64_t seed) : corpus_(std::move(corpus)), state_(seed) {
    // Words of the corpus, for the formats whose words are long.
    for (const std::string& input : corpus_) {
      for (size_t from = 0; from < input.size();) {
        size_t to = from;
        while (to < input.size() && (std::isalnum(static_cast<unsigned char>(input[to])) || input[to] == '_')) ++to;
        if (to - from >= 3 && to - from <= 32) words_.push_back(input.substr(from, to - from));
        from = to + 1;
      }
    }
    std::sort(words_.begin(), words_.end());
    words_.erase(std::unique(words_.begin(), words_.end()), words_.end());
  }

  std::string next() {
    std::string out = any();
    for (uint64_t n = 1 + below(below(4) == 0 ? 32 : 4); n > 0; --n) change(out);
    if (out.size() > kInputMax) out.resize(kInputMax);
    return out;
  }

 private:
  uint64_t random() {  // splitmix64
    uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  size_t below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(random() % n); }
  const std::string& any() { return corpus_[below(corpus_.size())]; }
  std::string piece(const std::string& of) {
    if (of.empty()) return {};
    size_t from = below(of.size());
    return of.substr(from, 1 + below(std::min<size_t>(of.size() - from, 64)));
  }

  void change(std::string& s) {
    static const std::string kOdd[] = {"\"",
                                       "\\",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       ":",
                                       "\r\n",
                                       "\n\n",
                                       "\0",
                                       "0",
                                       "-1",
                                       "1e99",
                                       "null",
                                       "true",
                                       "\xff",
                                       "\xc3\x28",
                                       "\xef\xbb\xbf",
                                       "\\ud800",
                                       "9223372036854775808"};
    size_t at = below(s.size() + 1);
    switch (below(11)) {
      case 0:  // a bit
        if (at < s.size()) s[at] = static_cast<char>(s[at] ^ (1 << below(8)));
        return;
      case 1:  // a byte
        if (at < s.size()) s[at] = static_cast<char>(random());
        return;
      case 2:
        s.insert(at, 1, static_cast<char>(random()));
        return;
      case 3:  // a hole
        s.erase(at, 1 + below(16));
        return;
      case 4:  // the end is missing
        s.resize(at);
        return;
      case 5:
        s.insert(at, kOdd[below(std::size(kOdd))]);
        return;
      case 6:
        if (!words_.empty()) s.insert(at, words_[below(words_.size())]);
        return;
      case 7:  // something twice
        s.insert(at, piece(s));
        return;
      case 8:  // something of another
        s.insert(at, piece(any()));
        return;
      case 9:  // the beginning of one and the end of another
      {
        const std::string& other = any();
        s = s.substr(0, at) + other.substr(below(other.size() + 1));
        return;
      }
      case 10:  // a number made extreme, as binary formats have them
        for (size_t i = 0; i < 4 && at + i < s.size(); ++i) s[at + i] = static_cast<char>(below(2) == 0 ? 0xff : 0);
        return;
    }
  }

  std::vector<std::string> corpus_, words_;
  uint64_t state_;
};

}  // namespace

int main(int count, char** arguments) {
  uint64_t mutations = 0, seed = 1;
  double seconds = 1e9;
  std::vector<std::string> corpus;
  std::vector<std::filesystem::path> paths;
  for (int i = 1; i < count; ++i) {
    std::string word = arguments[i];
    bool has_value = i + 1 < count;
    if (word == "--mutate" && has_value) {
      mutations = std::strtoull(arguments[++i], nullptr, 10);
    } else if (word == "--seconds" && has_value) {
      seconds = std::strtod(arguments[++i], nullptr);
    } else if (word == "--seed" && has_value) {
      seed = std::strtoull(arguments[++i], nullptr, 10);
    } else {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(word))
        if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  for (const std::filesystem::path& path : paths) {
    std::ifstream in(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    if (!in.good() && !in.eof()) {
      std::fprintf(stderr, "cannot read %s\n", path.c_str());
      return 1;
    }
  }
  killer_file = std::string(arguments[0]) + ".killer";
  std::signal(SIGABRT, on_abort);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(leave_killer);
  for (const std::string& input : corpus) run(input);
  if (corpus.empty()) {
    std::printf("0 inputs\n");
    return 1;  // an empty corpus tests nothing
  }
  Mutator mutator(corpus, seed);
  auto began = std::chrono::steady_clock::now();
  uint64_t made = 0;
  for (; made < mutations; ++made) {
    if (std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count() > seconds) break;
    run(mutator.next());
  }
  std::printf("%zu inputs", corpus.size());
  if (mutations > 0)
    std::printf(", %llu made of them (seed %llu)", static_cast<unsigned long long>(made),
                static_cast<unsigned long long>(seed));
  std::printf("\n");
  return 0;
}
