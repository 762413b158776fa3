Feature: Sites

  Background:
    Given a match is on sale
    And Jun is a visitor

  Rule: A fan can walk from the gate to the seat

    Scenario: Area, section, block, seats
      When Jun walks through "Infield", "Home" to block "101"
      Then Jun sees 20 seats
      And Jun sees seat 12 in row "2", number 2, for 10,000 won

    Scenario: Another block has another price
      When Jun walks through "Infield", "Home" to block "102"
      Then Jun sees 5 seats
      And Jun sees seat 21 in row "1", number 1, for 20,000 won

    Scenario: A part of a site that does not exist
      Then nobody finds a part of the site that does not exist

  Rule: The map is drawn from one plan, loaded once

    Scenario: The whole plan
      When Jun reads the plan of the site
      Then Jun sees the grades "BLUE" and "RED", and the lines of the blocks
      And Jun need not load the plan again while it is the same
