// Every addition and subtraction becomes a carry chain of its own. Left to itself Yosys merges trees of them into
// $macc cells, whose compressors take two LUT4 for each bit that a carry chain adds in one.
(* techmap_celltype = "$add $sub" *)
module adder (A, B, Y);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter B_WIDTH = 1;
  parameter Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";

  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  wire [Y_WIDTH-1:0] propagate, carry;

  localparam SUBTRACT = _TECHMAP_CELLTYPE_ == "$sub";

  \$alu #(
    .A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)
  ) _TECHMAP_REPLACE_ (.A(A), .B(B), .BI(SUBTRACT), .CI(SUBTRACT), .Y(Y), .X(propagate), .CO(carry));
endmodule
