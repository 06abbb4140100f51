#pragma once
// The short way to write a stage with one image in and one image out. Derive, name the stage, state the halo
// and write apply():
//
//   class Invert final : public petavox::MapStage<Invert> {
//    public:
//     static constexpr std::string_view name = "invert";
//     static constexpr std::string_view summary = "255 minus the voxel";
//     explicit Invert(petavox::Params&) {}
//     petavox::Halo halo() const { return petavox::Halo::none(); }
//     template <petavox::Voxel T>
//     void apply(petavox::View<const T> in, petavox::View<T> out, const petavox::BlockContext&) const { … }
//   };
//
// `template <class T> using Output = …` changes the output type, `static constexpr petavox::DTypeSet accepts`
// the input types, `in_port`, `out_port` the names of the ports ("image" each).

#include "petavox/stage/params.hpp"
#include "petavox/stage/stage.hpp"

namespace petavox {

template <class Derived>
class MapStage : public Stage {
 public:
  template <class T>
  using Output = T;
  static constexpr DTypeSet accepts = DTypeSet::any();
  static constexpr std::string_view in_port = "image", out_port = "image";

  Contract contract(const Setup& setup) const override {
    Contract c;
    InPort in;
    in.name = Derived::in_port;
    in.accepts = Derived::accepts;
    in.reads.halo = self().halo();
    in.volume = "input";
    c.reads.push_back(in);
    OutPort out;
    out.name = Derived::out_port;
    out.dtype = visit_dtype(setup.dtype, []<class T>(std::type_identity<T>) {
      return dtype_of<typename Derived::template Output<T>>();
    });
    c.writes.push_back(out);
    return c;
  }

  void run(const BlockInputs& inputs, BlockOutputs& outputs, const BlockContext& context) const final {
    const Array in = inputs.image(Derived::in_port);
    Array& out = outputs.image(Derived::out_port);
    visit_dtype(in.dtype(), [&]<class T>(std::type_identity<T>) {
      using U = typename Derived::template Output<T>;
      self().template apply<T>(in.view<T>(), out.view<U>(), context);
    });
  }

 private:
  const Derived& self() const { return static_cast<const Derived&>(*this); }
};

}  // namespace petavox
