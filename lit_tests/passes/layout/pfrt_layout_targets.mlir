// RUN: pfrt-opt %s -p "pfrt-layout{target=nhwc},pfrt-layout{target=nhwc},pfrt-layout{target=nchw}" | filecheck %s --check-prefix BACK
// RUN: pfrt-opt %s -p "pfrt-layout{target=nc4hw4}" | filecheck %s --check-prefix PACKED
// RUN: pfrt-opt %s -p pfrt-layout | filecheck %s --check-prefix AUTO

// "nchw" undoes "nhwc", which does nothing the second time.
// BACK: @main
// BACK-NEXT: %a = pfrt.conv %x, %w : (tensor<1x6x4x4xf32>
// BACK-NEXT: %y = pfrt.add %a, %x
// BACK-NEXT: func.return %y

// "nc4hw4" packs at the borders; the channels do not fill the last block.
// PACKED: [[X:%.*]] = pfrt.pack_channels %x : tensor<1x6x4x4xf32> -> tensor<1x2x4x4x4xf32>
// PACKED-NEXT: %a = pfrt.conv [[X]], %w {layout = "nc4hw4"}
// PACKED-NEXT: [[Y:%.*]] = pfrt.add %a, [[X]]
// PACKED-NEXT: %y = pfrt.unpack_channels [[Y]] {channels = 6 : i64}

// "auto" sees no gain in a small product of single elements.
// AUTO: @main
// AUTO-NOT: layout
// AUTO: @pools
func.func @main(%x: tensor<1x6x4x4xf32>, %w: tensor<6x6x1x1xf32>) -> tensor<1x6x4x4xf32> {
  %a = pfrt.conv %x, %w : (tensor<1x6x4x4xf32>, tensor<6x6x1x1xf32>) -> tensor<1x6x4x4xf32>
  %y = pfrt.add %a, %x : (tensor<1x6x4x4xf32>, tensor<1x6x4x4xf32>) -> tensor<1x6x4x4xf32>
  func.return %y : tensor<1x6x4x4xf32>
}

// It sees one in two wide pools between convolutions, and none in the groups before them.
// AUTO: pfrt.conv %x, %g {group = 32 : i64}
// AUTO-NEXT: pfrt.transpose
// AUTO-NEXT: pfrt.conv {{.*}} "nhwc"
// AUTO-NEXT: pfrt.max_pool {{.*}} "nhwc"
// AUTO-NEXT: pfrt.max_pool {{.*}} "nhwc"
// AUTO-NEXT: pfrt.global_average_pool {{.*}} "nhwc"
// AUTO-NEXT: %y = pfrt.reshape
func.func @pools(%x: tensor<1x128x56x56xf32>, %g: tensor<128x4x3x3xf32>, %w: tensor<256x128x3x3xf32>) -> tensor<1x256x1x1xf32> {
  %0 = pfrt.conv %x, %g {group = 32 : i64} : (tensor<1x128x56x56xf32>, tensor<128x4x3x3xf32>) -> tensor<1x128x54x54xf32>
  %1 = pfrt.conv %0, %w : (tensor<1x128x54x54xf32>, tensor<256x128x3x3xf32>) -> tensor<1x256x52x52xf32>
  %2 = pfrt.max_pool %1 {kernel_shape = array<i64: 3, 3>} : tensor<1x256x52x52xf32> -> tensor<1x256x50x50xf32>
  %3 = pfrt.max_pool %2 {kernel_shape = array<i64: 3, 3>} : tensor<1x256x50x50xf32> -> tensor<1x256x48x48xf32>
  %y = pfrt.global_average_pool %3 : tensor<1x256x48x48xf32> -> tensor<1x256x1x1xf32>
  func.return %y : tensor<1x256x1x1xf32>
}

// A convolution of few channels makes nhwc of nchw itself; the way back takes that away.
// AUTO: @entry
// AUTO-NEXT: pfrt.conv %x, %w {{.*}}layout = "nhwc", x_layout = "nchw"} : (tensor<1x3x64x64xf32>
// AUTO-NEXT: pfrt.max_pool {{.*}} "nhwc"
func.func @entry(%x: tensor<1x3x64x64xf32>, %w: tensor<64x3x3x3xf32>) -> tensor<1x64x1x1xf32> {
  %0 = pfrt.conv %x, %w {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x3x64x64xf32>, tensor<64x3x3x3xf32>) -> tensor<1x64x64x64xf32>
  %1 = pfrt.max_pool %0 {kernel_shape = array<i64: 3, 3>} : tensor<1x64x64x64xf32> -> tensor<1x64x62x62xf32>
  %y = pfrt.global_average_pool %1 : tensor<1x64x62x62xf32> -> tensor<1x64x1x1xf32>
  func.return %y : tensor<1x64x1x1xf32>
}

// BACK: @mixed
// BACK-NEXT: pfrt.conv %x, %w : (tensor<1x3x4x4xf32>
// PACKED: @mixed
// PACKED-NEXT: pfrt.conv %x, %w {layout = "nhwc", x_layout = "nchw"}
func.func @mixed(%x: tensor<1x3x4x4xf32>, %w: tensor<6x3x1x1xf32>) -> tensor<1x4x4x6xf32> {
  %y = pfrt.conv %x, %w {layout = "nhwc", x_layout = "nchw"} : (tensor<1x3x4x4xf32>, tensor<6x3x1x1xf32>) -> tensor<1x4x4x6xf32>
  func.return %y : tensor<1x4x4x6xf32>
}

// A constant operand before the data of an elementwise op is no reason to change layouts there.
// AUTO: @constant_first
// AUTO: pfrt.mul %s, %y
func.func @constant_first(%x: tensor<1x1x6x2xf32>, %w: tensor<1x1x3x3xf32>) -> tensor<1x1x6x2xf32> {
  %s = pfrt.constant dense<2.0> : tensor<1xf32>
  %y = pfrt.conv %x, %w {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x1x6x2xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x6x2xf32>
  %z = pfrt.mul %s, %y : (tensor<1xf32>, tensor<1x1x6x2xf32>) -> tensor<1x1x6x2xf32>
  func.return %z : tensor<1x1x6x2xf32>
}
