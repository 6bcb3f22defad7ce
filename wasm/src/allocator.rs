//! The allocator of the module: it wipes what it frees, so that no buffer of the glue leaves a value in linear memory.

use std::alloc::{GlobalAlloc, Layout, System};

struct Wiping;

// SAFETY: every call is passed on to the system's allocator with the arguments unchanged; before freeing, the block,
// which is still valid for its whole layout, is overwritten.
#[expect(unsafe_code, reason = "an allocator is unsafe by nature; this one only adds a memset before freeing")]
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc_zeroed(layout) }
    }

    // `realloc` is left to the default, which allocates, copies and frees through this allocator.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe {
            core::ptr::write_bytes(block, 0, layout.size());
            // The block goes back to the allocator: without this the write could be taken for a dead one.
            core::hint::black_box(block);
            System.dealloc(block, layout);
        }
    }
}

#[global_allocator]
static ALLOCATOR: Wiping = Wiping;
