// The graph for Graphviz, constants left out unless asked for.
// RUN: pfrt-opt %s -t dot | filecheck %s
// RUN: pfrt-opt %s -t 'dot{constants=true}' | filecheck %s --check-prefix=CONSTANTS

func.func @main(%x: tensor<?x2xf32> {pfrt.name = "images"}) -> tensor<?x2xf32> {
  %c = pfrt.constant dense<[1.0, 2.0]> as "bias" : tensor<2xf32>
  %0 = pfrt.add %x, %c as "a \"quoted\" sum" : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %1 = pfrt.relu %0 : tensor<?x2xf32> -> tensor<?x2xf32>
  func.return %1 : tensor<?x2xf32>
}

// CHECK: digraph {
// CHECK: subgraph cluster_0 {
// CHECK-NEXT: label="@main";
// CHECK-NEXT: n1 [label="images", shape=ellipse];
// CHECK-NEXT: n2 [label="pfrt.add\na \"quoted\" sum"];
// CHECK-NEXT: n1 -> n2 [label="?x2xf32"];
// CHECK-NEXT: n3 [label="pfrt.relu"];
// CHECK-NEXT: n2 -> n3 [label="?x2xf32"];
// CHECK-NEXT: n4 [label="func.return", shape=ellipse];
// CHECK-NEXT: n3 -> n4 [label="?x2xf32"];
// CONSTANTS: n2 [label="pfrt.constant\nbias"];
// CONSTANTS: n2 -> n3 [label="2xf32"];
