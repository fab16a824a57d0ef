// RUN: not pfrt-opt %s -p wse-verify{machine=wse4} 2>&1 | filecheck %s

// Machines have names.
wse.program @p width 1 height 1 {
}
// CHECK: there is no machine 'wse4'; machines: wse2, wse3, wse3-si
