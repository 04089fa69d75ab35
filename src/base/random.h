#pragma once
// Randomness as a parameter: the kernel's in production, a seed's in deterministic simulation.

#include <cstdint>
#include <span>
#include <string>

namespace perdure {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<unsigned char> out) = 0;

  uint64_t u64() {
    uint64_t v = 0;
    fill({reinterpret_cast<unsigned char*>(&v), sizeof v});
    return v;
  }
  // Uniform enough for jitter and choice among few; not for cryptography. `bound` > 0.
  uint64_t below(uint64_t bound) { return u64() % bound; }
  std::string bytes(size_t n) {
    std::string out(n, '\0');
    fill({reinterpret_cast<unsigned char*>(out.data()), n});
    return out;
  }
};

// The kernel's generator; thread-safe. Only `app`, tools and Loops take it.
Random& system_random();

// SplitMix64: for seeds, simulation and scripted models. Not for keys.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  void fill(std::span<unsigned char> out) override {
    for (size_t i = 0; i < out.size();) {
      uint64_t v = next();
      for (int b = 0; b < 8 && i < out.size(); ++b, ++i) out[i] = static_cast<unsigned char>(v >> (8 * b));
    }
  }

 private:
  uint64_t state_;
};

}  // namespace perdure
