#include "simulate/supplier.h"

namespace perdure::simulate {

struct SimulatedSupplier::Impl {
  Loop& loop;
  SupplierOptions options;
  Log log;
  Stats stats = {};
};

SimulatedSupplier::SimulatedSupplier(Loop& loop, SupplierOptions options, Log log)
    : impl_(new Impl{loop, std::move(options), std::move(log)}) {}
SimulatedSupplier::~SimulatedSupplier() = default;

Task<void> SimulatedSupplier::handle(HttpRequest&, HttpReply& reply) {
  reply.abort();
  co_return;
}
std::string SimulatedSupplier::refuse(const HttpRequest&, int, std::string_view) { return "{}"; }
void SimulatedSupplier::set_faults(std::vector<Fault> faults) { impl_->options.faults = std::move(faults); }
const SimulatedSupplier::Stats& SimulatedSupplier::stats() const { return impl_->stats; }

}  // namespace perdure::simulate
