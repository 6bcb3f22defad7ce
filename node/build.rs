//! Tells the linker that Node provides the napi symbols.

fn main() {
    napi_build::setup();
}
